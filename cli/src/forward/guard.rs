//! Who may use the port: programs of this machine, and pages that it served itself. No page of anybody else, whatever
//! name it gives to 127.0.0.1.

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::refused::Refused;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name that a request was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// The port itself.
    Port,
    /// Something below `localhost`, such as `ID.service`.
    Below(String),
}

/// Whom a request was sent to, if it may be passed on.
pub(super) fn check(request: &Parts, port: u16, below: bool) -> Result<Named, Refused> {
    if request.method == Method::CONNECT {
        return Err(Refused::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "no-tunnel",
            "CONNECT is not offered: send the request itself",
        ));
    }
    let host = only(&request.headers, &HOST)?.unwrap_or_default();
    let named = named(host, port)
        .filter(|named| below || *named == Named::Port)
        .ok_or_else(|| wrong_host(host, port))?;
    let elsewhere = request.uri.authority().is_some_and(|authority| {
        !authority.as_str().eq_ignore_ascii_case(host) || request.uri.scheme_str() != Some("http")
    });
    if elsewhere {
        return Err(wrong_host(host, port));
    }
    same_page(&request.headers, host)?;
    Ok(named)
}

/// A browser says whose page asks; whoever says nothing is no page.
fn same_page(headers: &HeaderMap, host: &str) -> Result<(), Refused> {
    let site = only(headers, &SEC_FETCH_SITE)?;
    let origin = only(headers, &ORIGIN)?;
    let own = |origin: &str| {
        let authority = origin.strip_prefix("http://");
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    if site.is_none_or(|site| matches!(site, "same-origin" | "none")) && origin.is_none_or(own) {
        return Ok(());
    }
    Err(Refused::new(
        StatusCode::FORBIDDEN,
        "cross-site",
        "a page of another site sent this request, and it would be sent with your token: \
         open the address by hand",
    ))
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let bad = |what: &str| {
        let message = format!("{what} `{name}` header: send one");
        Refused::new(StatusCode::BAD_REQUEST, "bad-request", message)
    };
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(bad("there is more than one"));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| bad("there are other characters than ASCII in the"))
}

fn named(host: &str, port: u16) -> Option<Named> {
    let host = host.to_ascii_lowercase();
    let name = match host.strip_suffix(&format!(":{port}")) {
        Some(name) => name,
        None if port == 80 => &host,
        None => return None,
    };
    if matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return Some(Named::Port);
    }
    let below = name.strip_suffix(".localhost")?;
    Some(Named::Below(below.to_owned()))
}

fn wrong_host(host: &str, port: u16) -> Refused {
    let host: String = host.chars().take(100).collect();
    Refused::new(
        StatusCode::MISDIRECTED_REQUEST,
        "wrong-host",
        format!(
            "`{host}` is not a name of this port: use http://127.0.0.1:{port} or http://localhost:{port}. \
             Other names are refused, since any web page could have one that leads here"
        ),
    )
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn checked(uri: &str, headers: &[(&str, &str)]) -> Result<Named, u16> {
        let request = headers
            .iter()
            .fold(Request::builder().uri(uri), |request, (name, value)| {
                request.header(*name, *value)
            });
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, 8099, true).map_err(|refused| refused.answer().status().as_u16())
    }

    #[test]
    fn only_names_of_this_machine_are_heard() {
        for host in [
            "localhost:8099",
            "LOCALHOST:8099",
            "127.0.0.1:8099",
            "[::1]:8099",
        ] {
            assert_eq!(checked("/", &[("host", host)]), Ok(Named::Port), "{host}");
        }
        assert_eq!(
            checked("/", &[("host", "x.service.localhost:8099")]),
            Ok(Named::Below("x.service".to_owned()))
        );
        for host in [
            "",
            "localhost",
            "localhost:80",
            "evil.test:8099",
            "127.0.0.1.evil.test:8099",
            "localhost.evil.test:8099",
            "evillocalhost:8099",
            "127.0.0.2:8099",
            "localhost:8099:8099",
        ] {
            assert_eq!(checked("/", &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(checked("/", &[]), Err(421));
        let twice = [("host", "localhost:8099"), ("host", "localhost:8099")];
        assert_eq!(checked("/", &twice), Err(400));
        let own = [("host", "localhost:8099")];
        assert_eq!(checked("http://localhost:8099/", &own), Ok(Named::Port));
        assert_eq!(checked("http://evil.test/", &own), Err(421));
    }

    #[test]
    fn a_page_of_somebody_else_is_not_heard() {
        let with = |name, value| checked("/", &[("host", "localhost:8099"), (name, value)]);
        for (name, value) in [
            ("origin", "http://localhost:8099"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(with(name, value), Ok(Named::Port), "{name}: {value}");
        }
        for (name, value) in [
            ("origin", "http://evil.test"),
            ("origin", "https://localhost:8099"),
            ("origin", "http://localhost:8098"),
            ("origin", "http://127.0.0.1:8099"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "?"),
        ] {
            assert_eq!(with(name, value), Err(403), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_below_is_for_those_who_have_it() {
        let request = Request::builder().header("host", "x.service.localhost:8099");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert!(check(&parts, 8099, false).is_err());
    }
}
