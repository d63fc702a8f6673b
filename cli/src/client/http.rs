//! The HTTP client underneath: addresses, TLS and proxies.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use crate::error::Error;

/// How long a connection may take: more than a lost packet, less than patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The URL that paths are put behind.
pub(super) fn base_url(text: &str) -> Result<Url, Error> {
    let refused =
        |reason: &str| Error::Usage(format!("`{text}` is not the URL of a platform: {reason}"));
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("it must start with `http://` or `https://`"));
    }
    Ok(url)
}

/// A client for the platform at this URL, which trusts the certificates of a file, or else whom the machine trusts.
pub(super) fn build(base: &Url, ca_cert: Option<&Path>) -> Result<reqwest::Client, Error> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Losing a race here means that another thread installed one: just as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("eai/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect would carry the token to whoever it names.
        .redirect(Policy::none());
    if base.scheme() == "http" {
        // Nothing to verify: spares reading the machine's certificates.
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = ca_cert {
        builder = builder.tls_certs_only(certificates(path)?);
    }
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if let Some(host) = base.host_str().filter(|host| is_localhost(host)) {
        // Not every resolver knows `*.localhost`. Port 0 stands for the URL's.
        builder = builder.resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    }
    builder.build().map_err(Error::HttpClient)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let refused = |reason: &str| {
        let path = path.display();
        Error::Usage(format!(
            "cannot use the certificates in {path}: {reason}. Name a PEM file with `--ca-cert`"
        ))
    };
    let text = std::fs::read(path).map_err(|error| refused(&error.to_string()))?;
    let found = Certificate::from_pem_bundle(&text).map_err(|error| refused(&error.to_string()))?;
    if found.is_empty() {
        return Err(refused("there are none in it"));
    }
    Ok(found)
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host)
        || address
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_many_names() {
        for text in [
            "http://localhost:1",
            "http://Eai.LOCALHOST",
            "http://127.0.0.9",
            "http://[::1]:2",
        ] {
            assert!(is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://localhost.example.org",
            "http://10.0.0.1",
            "http://mylocalhost",
        ] {
            assert!(!is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn only_http_urls_are_platforms() {
        assert!(base_url("localhost:8080").is_err());
        assert!(base_url("ftp://x").is_err());
        assert!(base_url("").is_err());
        assert!(base_url("https://x/y").is_ok());
    }

    #[test]
    fn a_client_for_https_can_be_built() {
        build(&base_url("https://example.org").unwrap(), None).unwrap();
    }
}
