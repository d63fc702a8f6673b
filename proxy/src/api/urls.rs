//! Where things are on the web: the platform's own address, and the ones of services and jobs.

use eai_core::ids::{JobId, ServiceId};

/// Scheme, domain and port of everything the platform serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    scheme: String,
    domain: String,
    /// With its colon, or nothing where the scheme implies it.
    port: String,
}

/// An external URL that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an external URL: write http://HOST or https://HOST, with a port where there is one, and no path"
)]
pub struct BadUrl(String);

impl Urls {
    /// What the listener itself serves, with TLS or without.
    pub fn of_listener(domain: &str, port: u16, tls: bool) -> Self {
        let (scheme, usual) = if tls { ("https", 443) } else { ("http", 80) };
        let port = if port == usual {
            String::new()
        } else {
            format!(":{port}")
        };
        Self {
            scheme: scheme.into(),
            domain: domain.into(),
            port,
        }
    }

    /// What users see behind another proxy: its scheme and port, on our domain.
    pub fn external(domain: &str, url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(url.chars().take(200).collect());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let (name, port) = host
            .split_once(':')
            .map_or((host, None), |(name, port)| (name, Some(port)));
        let port = match port {
            None => String::new(),
            Some(port) => format!(":{}", port.parse::<u16>().map_err(|_| bad())?),
        };
        if !matches!(scheme, "http" | "https")
            || name.is_empty()
            || name.contains(['/', '?', '#', '@'])
        {
            return Err(bad());
        }
        Ok(Self {
            scheme: scheme.into(),
            domain: domain.into(),
            port,
        })
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether browsers reach everything by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The domain of all of it.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether a host has the port that everything has here.
    pub(crate) fn has_port_of(&self, host: &str) -> bool {
        let port = host.split_once(':').map(|(_, port)| port);
        port == self.port.strip_prefix(':')
    }

    /// The platform itself.
    pub fn platform(&self) -> String {
        let Self {
            scheme,
            domain,
            port,
        } = self;
        format!("{scheme}://{domain}{port}")
    }

    /// A service.
    pub fn service(&self, id: ServiceId) -> String {
        let Self {
            scheme,
            domain,
            port,
        } = self;
        format!("{scheme}://{id}.service.{domain}{port}")
    }

    /// A job.
    pub fn job(&self, id: JobId) -> String {
        let Self {
            scheme,
            domain,
            port,
        } = self;
        format!("{scheme}://{id}.job.{domain}{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_the_listeners_port_or_the_external_one() {
        assert_eq!(
            Urls::of_listener("localhost", 8080, false).platform(),
            "http://localhost:8080"
        );
        assert_eq!(
            Urls::of_listener("eai.test", 80, false).platform(),
            "http://eai.test"
        );
        assert_eq!(
            Urls::of_listener("eai.test", 443, true).platform(),
            "https://eai.test"
        );
        assert_eq!(
            Urls::of_listener("eai.test", 80, true).platform(),
            "https://eai.test:80"
        );
        let external = Urls::external("eai.test", "https://eai.test").unwrap();
        let id = ServiceId(uuid::Uuid::nil());
        assert_eq!(
            external.service(id),
            format!("https://{id}.service.eai.test")
        );
        assert_eq!(
            Urls::of_listener("localhost", 8080, false).job(JobId(id.0)),
            format!("http://{id}.job.localhost:8080")
        );
        assert_eq!(
            Urls::external("a", "https://a:8443/").unwrap().platform(),
            "https://a:8443"
        );
        for bad in [
            "eai.test",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a:x",
            "http://u@a",
        ] {
            assert!(Urls::external("a", bad).is_err(), "{bad}");
        }
    }
}
