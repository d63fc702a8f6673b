//! Certificates that nobody trusts unless told to, and clients that are told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate with its key, in files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    der: CertificateDer<'static>,
}

// === impl Certificate ===

impl Certificate {
    /// One for this machine's names, written to a folder.
    pub fn write(folder: &Path) -> Self {
        let names = ["localhost", "*.service.localhost", "127.0.0.1"];
        let made = rcgen::generate_simple_self_signed(names.map(str::to_owned));
        let made = made.expect("a certificate");
        let own = Self {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
            der: made.cert.der().clone(),
        };
        // As who renews one does it: each file at once, and one after the other.
        for (path, text) in [
            (&own.certificate, made.cert.pem()),
            (&own.key, made.signing_key.serialize_pem()),
        ] {
            let part = path.with_extension("part");
            fs::write(&part, text).expect("a file");
            fs::rename(part, path).expect("a file");
        }
        own
    }

    /// The flags of a platform that shows it.
    pub fn flags(&self) -> [&str; 4] {
        let certificate = self.certificate.to_str().expect("UTF-8");
        let key = self.key.to_str().expect("UTF-8");
        ["--tls-cert", certificate, "--tls-key", key]
    }

    /// What a client trusts that trusts this one only.
    pub fn trusted(&self) -> reqwest::Certificate {
        reqwest::Certificate::from_der(&self.der).expect("a certificate")
    }

    /// A connection to an address that shows this one, with what the client speaks; the name of what was agreed on.
    pub async fn connect(
        &self,
        address: &str,
        speaks: &[&str],
    ) -> std::io::Result<(TlsStream<TcpStream>, Option<String>)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = speaks.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await?;
        let agreed = stream.get_ref().1.alpn_protocol();
        let agreed = agreed.map(|name| String::from_utf8_lossy(name).into_owned());
        Ok((stream, agreed))
    }
}
