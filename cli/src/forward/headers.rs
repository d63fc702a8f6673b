//! What becomes of the headers on the way through the port.

use eai_proxy::ingress::hops::{options, strip};
use hyper::header::{
    AUTHORIZATION, CONNECTION, EXPECT, HOST, HeaderMap, HeaderValue, LOCATION, ORIGIN,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, TE, UPGRADE,
};

use super::target::Target;

/// The protocol that a request asks to go on with.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    let asked = options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    // HTTP/2 is not spoken here, and need not be.
    let other = !wanted.as_bytes().to_ascii_lowercase().starts_with(b"h2");
    (asked && other).then(|| wanted.clone())
}

/// Makes the headers of a program, or of a page that came through here, those of the user at the platform.
pub(super) fn request(headers: &mut HeaderMap, target: &Target, upgrade: Option<HeaderValue>) {
    let trailers = headers
        .get(TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip(headers);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(EXPECT);
    headers.remove(HOST);
    headers.remove(AUTHORIZATION);
    match &target.host {
        Some(host) => {
            if let Ok(name) = HeaderValue::try_from(&host.authority) {
                headers.insert(HOST, name);
            }
            // An application compares it with its own name.
            if headers.contains_key(ORIGIN)
                && let Ok(origin) = HeaderValue::try_from(host.origin())
            {
                headers.insert(ORIGIN, origin);
            }
        }
        None => drop(headers.remove(ORIGIN)),
    }
    headers.remove(REFERER);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    } else if trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Makes the headers of an answer those of this port.
pub(super) fn response(headers: &mut HeaderMap, target: &Target, switching: bool) {
    let protocol = headers.remove(UPGRADE).filter(|_| switching);
    strip(headers);
    headers.remove(PROXY_AUTHORIZATION);
    headers.remove(PROXY_AUTHENTICATE);
    if let Some(location) = headers.get(LOCATION).and_then(|to| moved(to, target)) {
        headers.insert(LOCATION, location);
    }
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Where a redirect within the same site leads here.
fn moved(to: &HeaderValue, target: &Target) -> Option<HeaderValue> {
    let to = to.to_str().ok()?;
    let path = match &target.host {
        Some(host) => to.strip_prefix(&host.origin()),
        None => None,
    };
    let path = match path {
        // Another host may begin with the same letters.
        Some("") => "/",
        Some(path) => path,
        None => to,
    };
    let is_path = path.starts_with('/') && !path.starts_with("//");
    is_path
        .then(|| HeaderValue::try_from(format!("{}{path}", target.prefix)).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::target::Host;
    use super::*;

    fn target(prefix: &str) -> Target {
        Target {
            host: Some(Host {
                scheme: "http".to_owned(),
                authority: "a.service.localhost:8080".to_owned(),
            }),
            prefix: prefix.to_owned(),
            path: "/".to_owned(),
        }
    }

    #[test]
    fn the_service_sees_its_own_name_and_no_other_token() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (HOST, "127.0.0.1:1"),
            (AUTHORIZATION, "Basic x"),
            (ORIGIN, "http://127.0.0.1:1"),
            (REFERER, "http://127.0.0.1:1/x"),
            (CONNECTION, "x-mine, upgrade"),
            (UPGRADE, "websocket"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("x-mine", HeaderValue::from_static("1"));
        let wanted = upgrade(&headers);
        request(&mut headers, &target(""), wanted);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "connection: upgrade",
                "host: a.service.localhost:8080",
                "origin: http://a.service.localhost:8080",
                "upgrade: websocket",
            ]
        );
    }

    #[test]
    fn a_redirect_stays_on_the_port() {
        for (prefix, to, expected) in [
            ("", "http://a.service.localhost:8080/x?y", "/x?y"),
            ("", "http://a.service.localhost:8080", "/"),
            ("", "/x", "/x"),
            ("/service/a", "/x", "/service/a/x"),
            ("", "x", "x"),
            (
                "",
                "http://a.service.localhost:80801/",
                "http://a.service.localhost:80801/",
            ),
            ("", "//other.test/", "//other.test/"),
            ("", "http://other.test/", "http://other.test/"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, HeaderValue::from_static(to));
            response(&mut headers, &target(prefix), false);
            assert_eq!(headers[LOCATION], expected, "{prefix} {to}");
        }
    }
}
