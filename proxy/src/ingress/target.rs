//! Whom a request is for: the one place that reads a `Host`. It knows no service and no job.

use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Method, Version};
use eai_core::ids::ServiceId;
use eai_core::names::{AccountName, FullName};
use uuid::Uuid;

/// The longest host that is looked at: a name of DNS, and a port.
const MAX_HOST: usize = 260;

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The platform itself: its domain, or any host that is not below it.
    Platform,
    /// `ID.service.DOMAIN`, or `ID-PORT.service.DOMAIN`.
    Service {
        /// The service.
        id: ServiceId,
        /// The port that is asked for, where it isn't the service's own.
        port: Option<u16>,
    },
    /// `NAME.ACCOUNT.ORGANIZATION.service.DOMAIN`, or `NAME-PORT.…`; nested accounts are joined with `-`.
    ServiceName {
        /// The service.
        name: FullName,
        /// The port that is asked for, where it isn't the service's own.
        port: Option<u16>,
    },
    /// `ID.job.DOMAIN`, or `ID-PORT.job.DOMAIN`.
    Job {
        /// The job.
        id: Uuid,
        /// The port that is asked for, where it isn't the job's own.
        port: Option<u16>,
    },
    /// Below the platform's domain, but the name of nothing there can be.
    Unknown,
}

/// Why a request is for nobody: it can be understood in two ways, or in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// HTTP/1.1 without a host.
    #[error("the `host` header is missing")]
    NoHost,
    /// Two hosts.
    #[error("there is more than one `host` header: send one")]
    TwoHosts,
    /// An absolute target for somebody else than the host.
    #[error("the request's target names another host than its `host` header")]
    Disagrees,
    /// No host at all.
    #[error("the `host` header is not a host: send HOST or HOST:PORT")]
    NoName,
    /// A tunnel, which isn't offered.
    #[error("CONNECT is not offered: send the request itself")]
    Tunnel,
}

/// Whom a request is for, on a platform whose domain is `domain` (lower case, no port).
///
/// Ports of the host are ignored, and so is the case. What is ambiguous is refused.
pub fn target(domain: &str, request: &Parts) -> Result<Target, BadRequest> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(BadRequest::TwoHosts);
    }
    if request.method == Method::CONNECT {
        return Err(BadRequest::Tunnel);
    }
    let Some(host) = host else {
        return if request.version < Version::HTTP_11 {
            Ok(Target::Platform)
        } else {
            Err(BadRequest::NoHost)
        };
    };
    if let Some(authority) = request.uri.authority()
        && !host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes())
    {
        return Err(BadRequest::Disagrees);
    }
    let host = host.to_str().map_err(|_| BadRequest::NoName)?;
    Ok(named(domain, name_of(host)?))
}

/// The host without its port and the dot of the root.
fn name_of(host: &str) -> Result<&str, BadRequest> {
    let (name, port) = if host.starts_with('[') {
        let (name, rest) = host.split_once(']').ok_or(BadRequest::NoName)?;
        (name, rest.strip_prefix(':').unwrap_or(rest))
    } else {
        host.split_once(':').unwrap_or((host, ""))
    };
    let port_is_one = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[:%".contains(&byte);
    if host.len() > MAX_HOST || !port_is_one || !name.bytes().all(is_name) {
        return Err(BadRequest::NoName);
    }
    Ok(name.strip_suffix('.').unwrap_or(name))
}

fn named(domain: &str, name: &str) -> Target {
    let Some(below) = before(name, domain) else {
        return Target::Platform;
    };
    if let Some(label) = before(below, "service") {
        return service(label).unwrap_or(Target::Unknown);
    }
    if let Some(label) = before(below, "job") {
        return match with_port(label) {
            Some((id, port)) => Target::Job { id, port },
            None => Target::Unknown,
        };
    }
    Target::Platform
}

/// What is before `.suffix`.
fn before<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(suffix.len())?;
    let (below, end) = name.split_at_checked(at)?;
    let below = below.strip_suffix('.')?;
    (end.eq_ignore_ascii_case(suffix) && !below.is_empty()).then_some(below)
}

fn service(label: &str) -> Option<Target> {
    if let Some((id, port)) = with_port(label) {
        let id = ServiceId(id);
        return Some(Target::Service { id, port });
    }
    let mut parts = label.split('.');
    let (name, account, organization) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (name, port) = match name.split_once('-') {
        None => (name, None),
        Some((name, port)) => (name, Some(port_of(port)?)),
    };
    let lower = |text: &str| text.to_ascii_lowercase();
    let account = AccountName::from_tokens(&lower(organization), &lower(account)).ok()?;
    let name = account.join(lower(name).parse().ok()?);
    Some(Target::ServiceName { name, port })
}

/// An id, or an id and a port: `ID-PORT`.
fn with_port(label: &str) -> Option<(Uuid, Option<u16>)> {
    const ID: usize = 36;
    let (id, rest) = label.split_at_checked(ID)?;
    let port = match rest.strip_prefix('-') {
        Some(port) => Some(port_of(port)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((Uuid::try_parse(id).ok()?, port))
}

/// 1 to 65535, written in one way only.
fn port_of(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0198c2a0-7b1e-7c7e-9a43-5d2f6f3b8a11";

    fn of(host: &str) -> Result<Target, BadRequest> {
        let request = Request::builder().uri("/").header(HOST, host);
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        target("eai.test", &parts)
    }

    fn id() -> Uuid {
        ID.parse().expect("an id")
    }

    #[test]
    fn hosts_name_services_jobs_and_the_platform() {
        let service = |port| {
            let id = ServiceId(id());
            Ok(Target::Service { id, port })
        };
        let name = |name: &str, port| {
            let name = name.parse().expect("a name");
            Ok(Target::ServiceName { name, port })
        };
        let rows = [
            (format!("{ID}.service.eai.test"), service(None)),
            (format!("{ID}.service.eai.test:8080"), service(None)),
            (format!("{ID}.service.eai.test:"), service(None)),
            (format!("{ID}.service.eai.test."), service(None)),
            (
                format!("{}.SERVICE.Eai.Test", ID.to_uppercase()),
                service(None),
            ),
            (format!("{ID}-3000.service.eai.test"), service(Some(3000))),
            (
                format!("{ID}.job.eai.test"),
                Ok(Target::Job {
                    id: id(),
                    port: None,
                }),
            ),
            (
                format!("{ID}-1.job.eai.test:80"),
                Ok(Target::Job {
                    id: id(),
                    port: Some(1),
                }),
            ),
            (
                "web.testacc.snow.service.eai.test".into(),
                name("snow.testacc.web", None),
            ),
            (
                "Web-81.sub-deep.snow.service.eai.test".into(),
                name("snow.sub.deep.web", Some(81)),
            ),
        ];
        for (host, expected) in rows {
            assert_eq!(of(&host), expected, "{host}");
        }
        for host in [
            "eai.test",
            "EAI.test:8080",
            "127.0.0.1:9",
            "[::1]:8080",
            "[::1]",
            "other.test",
            "service.eai.test",
            "job.eai.test",
            "x.other.eai.test",
            "serviceXeai.test",
            &format!("{ID}.service.other.test"),
            &format!("{ID}.service.eai.test.other"),
            &format!("{ID}.serviceeai.test"),
            "",
        ] {
            assert_eq!(of(host), Ok(Target::Platform), "{host}");
        }
        for label in [
            "web",
            "web.snow",
            "a.b.c.d",
            "web-0.b.c",
            "web-65536.b.c",
            "web-1-2.b.c",
            "..",
            &format!("{ID}-"),
            &format!("{ID}-08"),
            &format!("{ID}-65536"),
            &format!("{ID}x"),
            &format!("x.{ID}"),
            &ID.replace('-', ""),
        ] {
            let host = format!("{label}.service.eai.test");
            assert_eq!(of(&host), Ok(Target::Unknown), "{host}");
        }
        let job = "web.testacc.snow.job.eai.test";
        assert_eq!(of(job), Ok(Target::Unknown));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let refused = |request: axum::http::request::Builder| {
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            target("eai.test", &parts)
        };
        let get = || Request::builder().uri("/");
        assert_eq!(refused(get()), Err(BadRequest::NoHost));
        let old = get().version(Version::HTTP_10);
        assert_eq!(refused(old), Ok(Target::Platform));
        let twice = || get().header(HOST, "eai.test").header(HOST, "eai.test");
        assert_eq!(refused(twice()), Err(BadRequest::TwoHosts));
        let absolute = |host| {
            let uri = format!("http://{ID}.service.eai.test/");
            Request::builder().uri(uri).header(HOST, host)
        };
        assert_eq!(refused(absolute("eai.test")), Err(BadRequest::Disagrees));
        let tunnel = Request::builder()
            .method(Method::CONNECT)
            .uri("eai.test:80")
            .header(HOST, "eai.test:80");
        assert_eq!(refused(tunnel), Err(BadRequest::Tunnel));
        for host in [
            "a b", "a@b", "a/b", "a,b", "a:b", "a:1:2", "a:123456", "[::1", "[::1]x",
        ] {
            assert_eq!(of(host), Err(BadRequest::NoName), "{host}");
        }
        assert_eq!(of(&"a".repeat(300)), Err(BadRequest::NoName));
    }

    proptest! {
        #[test]
        fn any_host_is_read_without_panic(host in "[ -~]{0,80}(\\.service|\\.job)?(\\.eai\\.test)?") {
            let lower = of(&host.to_ascii_lowercase());
            prop_assert_eq!(of(&host.to_ascii_uppercase()), lower);
        }
    }
}
