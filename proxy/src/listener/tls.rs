//! The certificate and key that the listener shows: read from files, and again where they have changed. A pair that is
//! none leaves the one before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

/// What HTTP/2 is called where client and server agree on it.
pub(super) const HTTP_2: &[u8] = b"h2";
/// The largest file that is read.
const MOST: u64 = 1 << 20;

/// Where certificate and key are, and what they were when they were good last.
#[derive(Debug)]
pub struct Tls {
    certificates: PathBuf,
    key: PathBuf,
    /// The bytes of both files, as they were looked at last.
    seen: (Vec<u8>, Vec<u8>),
    newest: watch::Sender<Arc<ServerConfig>>,
}

/// Why certificate and key cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or may not be read.
    #[error("cannot read {path}: {source}. Name PEM files that this user may read with --tls-cert FILE and --tls-key FILE", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has not what it should have.
    #[error("{path} has no {what} in PEM ({reason}): it begins with a line such as `-----BEGIN {label}-----`", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// How that begins.
        label: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// Both are there, and are no pair.
    #[error("{certificates} and {key} cannot be used together: {source}. The first certificate of the file has to be the one of the key", certificates = .certificates.display(), key = .key.display())]
    Pair {
        /// The file with certificates.
        certificates: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

// === impl Tls ===

impl Tls {
    /// Reads both files.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = (read(certificates)?, read(key)?);
        let config = config((certificates, &seen.0), (key, &seen.1))?;
        Ok(Self {
            certificates: certificates.to_owned(),
            key: key.to_owned(),
            seen,
            newest: watch::Sender::new(Arc::new(config)),
        })
    }

    /// What connections are to show.
    pub fn newest(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.newest.subscribe()
    }

    /// Reads both files again. True where they are others, and good; an error is told once for each change.
    pub fn reload(&mut self) -> Result<bool, TlsError> {
        let now = (read(&self.certificates)?, read(&self.key)?);
        if now == self.seen {
            return Ok(false);
        }
        self.seen = now;
        let (certificates, key) = (&self.seen.0, &self.seen.1);
        let config = config((&self.certificates, certificates), (&self.key, key))?;
        self.newest.send_replace(Arc::new(config));
        Ok(true)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        if std::fs::metadata(path)?.len() > MOST {
            return Err(io::Error::other("it is over 1 MiB"));
        }
        std::fs::read(path)
    };
    read().map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn config(
    (certificates, chain): (&Path, &[u8]),
    (key, secret): (&Path, &[u8]),
) -> Result<ServerConfig, TlsError> {
    let bad = |path: &Path, what, label, reason: pem::Error| TlsError::Pem {
        path: path.to_owned(),
        what,
        label,
        reason: match reason {
            pem::Error::NoItemsFound => "there is none in it".to_owned(),
            other => other.to_string(),
        },
    };
    let (what, label) = ("certificate", "CERTIFICATE");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(certificates, what, label, error))?;
    if chain.is_empty() {
        return Err(bad(certificates, what, label, pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_slice(secret)
        .map_err(|error| bad(key, "private key", "PRIVATE KEY", error))?;
    let pair = |source| TlsError::Pair {
        certificates: certificates.to_owned(),
        key: key.to_owned(),
        source,
    };
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(pair)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
