//! What a browser says of a request: whose page asked for it, and whether somebody is to see the answer.
//!
//! All services are below one domain, which makes them one site to a browser: a cookie that is not sent to other sites
//! (`SameSite`) is sent when a page of one service asks another one. So the origin is what counts.

use axum::http::header::{ACCEPT, AUTHORIZATION, HOST, ORIGIN, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether a request may use the cookie that came with it: a page of this host asked for it, or somebody opened it.
pub(crate) fn is_own(request: &Parts, scheme: &str) -> bool {
    let headers = &request.headers;
    let origin = headers.get(ORIGIN);
    if origin.is_some_and(|origin| !is_origin(origin, scheme, headers.get(HOST))) {
        return false;
    }
    // What may change something, and what reads for ever, has to come from a page, and pages say which they are.
    let only_reads = is_safe(&request.method) && !headers.contains_key(UPGRADE);
    if !only_reads && origin.is_none() {
        return false;
    }
    match text(headers, &SITE) {
        None | Some("same-origin" | "none") => true,
        Some(_) => only_reads && is_opened(headers),
    }
}

/// Whether somebody is to see the answer as a page.
pub(crate) fn is_page(request: &Parts) -> bool {
    let headers = &request.headers;
    let says_so = text(headers, &MODE).is_none() || is_opened(headers);
    let html = headers.get_all(ACCEPT).iter().any(|accept| {
        let accept = accept.to_str().unwrap_or_default();
        accept.contains("text/html")
    });
    matches!(request.method, Method::GET | Method::HEAD)
        && html
        && says_so
        && !headers.contains_key(AUTHORIZATION)
        && !headers.contains_key(UPGRADE)
}

/// In a window of its own, and not within somebody else's page.
fn is_opened(headers: &HeaderMap) -> bool {
    text(headers, &MODE) == Some("navigate") && text(headers, &DEST) == Some("document")
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_origin(origin: &HeaderValue, scheme: &str, host: Option<&HeaderValue>) -> bool {
    let of_scheme = origin.as_bytes().strip_prefix(scheme.as_bytes());
    let authority = of_scheme.and_then(|rest| rest.strip_prefix(b"://"));
    match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host.as_bytes()),
        _ => false,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method).header(HOST, "a.test:80");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.body(()).expect("a request").into_parts().0
    }

    const OWN: (&str, &str) = ("origin", "http://a.test:80");
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    const SIBLING: (&str, &str) = ("sec-fetch-site", "same-site");
    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
    const DOCUMENT: (&str, &str) = ("sec-fetch-dest", "document");
    const SOCKET: (&str, &str) = ("upgrade", "websocket");

    #[test]
    fn only_a_page_of_the_host_uses_its_cookie() {
        for (method, headers) in [
            ("GET", &[][..]),
            ("GET", &[SAME]),
            ("GET", &[OWN, SAME]),
            ("POST", &[OWN]),
            ("POST", &[OWN, SAME]),
            ("GET", &[OWN, SOCKET]),
            ("GET", &[SIBLING, NAVIGATE, DOCUMENT]),
            (
                "GET",
                &[("sec-fetch-site", "cross-site"), NAVIGATE, DOCUMENT],
            ),
            ("GET", &[("sec-fetch-site", "none"), NAVIGATE, DOCUMENT]),
        ] {
            assert!(
                is_own(&request(method, headers), "http"),
                "{method} {headers:?}"
            );
        }
        for (method, headers) in [
            ("POST", &[][..]),
            ("POST", &[SAME]),
            ("DELETE", &[SIBLING, NAVIGATE, DOCUMENT]),
            ("POST", &[OWN, SIBLING]),
            ("GET", &[SOCKET]),
            ("GET", &[SOCKET, SAME]),
            ("GET", &[SIBLING]),
            ("GET", &[SIBLING, NAVIGATE, ("sec-fetch-dest", "iframe")]),
            ("GET", &[SIBLING, ("sec-fetch-mode", "no-cors"), DOCUMENT]),
            ("GET", &[("origin", "http://b.test:80")]),
            ("GET", &[("origin", "https://a.test:80")]),
            ("GET", &[("origin", "http://a.test:81")]),
            ("POST", &[("origin", "null")]),
        ] {
            assert!(
                !is_own(&request(method, headers), "http"),
                "{method} {headers:?}"
            );
        }
    }

    #[test]
    fn a_page_is_what_somebody_opened() {
        let html = ("accept", "text/html,*/*");
        for headers in [&[html][..], &[html, NAVIGATE, DOCUMENT]] {
            assert!(is_page(&request("GET", headers)), "{headers:?}");
        }
        for (method, headers) in [
            ("GET", &[][..]),
            ("GET", &[("accept", "application/json")]),
            ("POST", &[html]),
            ("GET", &[html, ("authorization", "Bearer x")]),
            ("GET", &[html, NAVIGATE, ("sec-fetch-dest", "iframe")]),
            ("GET", &[html, ("sec-fetch-mode", "cors")]),
        ] {
            assert!(!is_page(&request(method, headers)), "{method} {headers:?}");
        }
    }
}
