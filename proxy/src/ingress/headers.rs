//! What happens to the headers of requests and answers on their way through.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version};
use bytes::BytesMut;
use tokio::sync::OwnedSemaphorePermit;

use super::failure::X_EAI_ERROR;
use super::hops::{options, strip};
use super::{Identity, Ours};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_EAI_USER: HeaderName = HeaderName::from_static("x-eai-user");
const X_EAI_ACCOUNT: HeaderName = HeaderName::from_static("x-eai-account");

/// Prefixes that no client may use, since an application trusts what has them.
const RESERVED: &str = "x-eai-";
/// What applications that turn `-` into `_` could read as one of ours.
const FORWARDING: [&str; 4] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// What is the same for every request of a connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address, for `X-Forwarded-For`.
    address: HeaderValue,
    /// The same, as `Forwarded` wants it.
    node: String,
    /// The host of its first request, and the element of `Forwarded` that comes of it: most connections have no other.
    forwarded: OnceLock<(HeaderValue, HeaderValue)>,
    /// Its place among the connections, kept as long as any of it goes on.
    slot: Option<Arc<OwnedSemaphorePermit>>,
}

/// What the application is told about the way a request came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    pub(super) client: &'a Client,
    pub(super) scheme: &'static str,
    /// Another proxy is before us: what it says about its client is kept.
    pub(super) trusted: bool,
}

// === impl Client ===

impl Client {
    /// A client at this address.
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let node = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        let text = address.to_string();
        // Digits, colons and dots: always a value.
        let address = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            address,
            node,
            forwarded: OnceLock::new(),
            slot: None,
        }
    }

    /// A client that holds a place among the connections, also once its connection is upgraded.
    #[must_use]
    pub fn holding(mut self, slot: OwnedSemaphorePermit) -> Self {
        self.slot = Some(Arc::new(slot));
        self
    }

    /// The element of `Forwarded` for a request to `host`.
    fn element(&self, host: Option<&HeaderValue>, scheme: &str) -> Option<HeaderValue> {
        let Some(host) = host else {
            return self.write_element(None, scheme);
        };
        if let Some((_, element)) = self.forwarded.get().filter(|(first, _)| first == host) {
            return Some(element.clone());
        }
        let element = self.write_element(Some(host), scheme)?;
        // Another request of this connection cannot have come first: they are served one by one.
        self.forwarded.set((host.clone(), element.clone())).ok();
        Some(element)
    }

    fn write_element(&self, host: Option<&HeaderValue>, scheme: &str) -> Option<HeaderValue> {
        let mut element = BytesMut::with_capacity(128);
        element.extend_from_slice(b"for=");
        element.extend_from_slice(self.node.as_bytes());
        if let Some(host) = host {
            element.extend_from_slice(b";host=\"");
            element.extend_from_slice(host.as_bytes());
            element.extend_from_slice(b"\"");
        }
        element.extend_from_slice(b";proto=");
        element.extend_from_slice(scheme.as_bytes());
        HeaderValue::from_maybe_shared(element.freeze()).ok()
    }

    /// The place, for what outlives its requests.
    pub(super) fn slot(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        self.slot.clone()
    }
}

/// The protocol that a request asks to go on with, where it may.
pub(super) fn upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(UPGRADE)?;
    // A request for HTTP/2 is one of HTTP/1.1 as well, and stays it.
    let other = !wanted.as_bytes().to_ascii_lowercase().starts_with(b"h2");
    let asked = options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    (version == Version::HTTP_11 && asked && other).then(|| wanted.clone())
}

/// Whether the body has no other coding than its chunks, which are all that is undone on the way.
pub(super) fn is_framed_once(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next();
    first.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

/// Makes the client's headers the application's.
pub(super) fn request(
    headers: &mut HeaderMap,
    way: Way<'_>,
    ours: Ours,
    identity: Option<&Identity>,
    upgrade: Option<HeaderValue>,
) {
    let trailers = headers
        .get(TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    strip(headers);
    headers.remove(PROXY_AUTHORIZATION);
    // The body is sent at once, and asked for once it is read.
    headers.remove(EXPECT);
    refuse_forged(headers);
    if ours.authorization {
        headers.remove(AUTHORIZATION);
    }
    if let Some(name) = ours.cookie {
        without_cookie(headers, name);
    }
    forwarded(headers, way);
    if let Some(Identity { user, account }) = identity {
        headers.insert(X_EAI_USER, user.clone());
        headers.insert(X_EAI_ACCOUNT, account.clone());
    }
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    } else if trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Makes the application's headers the client's. `switching` for an answer that is an upgrade.
pub(super) fn response(headers: &mut HeaderMap, switching: bool) {
    let protocol = if switching {
        headers.remove(UPGRADE)
    } else {
        None
    };
    strip(headers);
    headers.remove(PROXY_AUTHENTICATE);
    headers.remove(X_EAI_ERROR);
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Removes what only we may say, also where it is written with `_`.
fn refuse_forged(headers: &mut HeaderMap) {
    let forged = |name: &HeaderName| {
        let name = name.as_str();
        if name.starts_with(RESERVED) {
            return true;
        }
        name.contains('_') && {
            let name = name.replace('_', "-");
            name.starts_with(RESERVED) || FORWARDING.contains(&name.as_str())
        }
    };
    if headers.keys().any(forged) {
        let names: Vec<_> = headers
            .keys()
            .filter(|name| forged(name))
            .cloned()
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
}

fn without_cookie(headers: &mut HeaderMap, name: &str) {
    let ours = |pair: &str| pair.split('=').next().is_some_and(|key| key.trim() == name);
    let cookies: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for cookie in cookies {
        let Ok(text) = cookie.to_str() else {
            headers.append(COOKIE, cookie);
            continue;
        };
        if !text.split(';').any(ours) {
            headers.append(COOKIE, cookie);
            continue;
        }
        let kept: Vec<_> = text.split(';').filter(|pair| !ours(pair)).collect();
        let kept = kept.join(";");
        if let Ok(kept) = HeaderValue::try_from(kept.trim())
            && !kept.is_empty()
        {
            headers.append(COOKIE, kept);
        }
    }
}

fn forwarded(headers: &mut HeaderMap, way: Way<'_>) {
    let Way {
        client,
        scheme,
        trusted,
    } = way;
    headers.reserve(4);
    let host = headers.get(HOST).cloned();
    if trusted {
        let before = headers.get_all(X_FORWARDED_FOR).iter();
        let joined = list(before, client.address.as_bytes());
        headers.insert(X_FORWARDED_FOR, joined);
    } else {
        headers.insert(X_FORWARDED_FOR, client.address.clone());
    }
    if !(trusted && headers.contains_key(X_FORWARDED_PROTO)) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    let element = client.element(host.as_ref(), scheme);
    if let Some(host) = host
        && !(trusted && headers.contains_key(X_FORWARDED_HOST))
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
    let Some(element) = element else {
        return;
    };
    if trusted && headers.contains_key(FORWARDED) {
        let joined = list(headers.get_all(FORWARDED).iter(), element.as_bytes());
        headers.insert(FORWARDED, joined);
    } else {
        headers.insert(FORWARDED, element);
    }
}

/// A list header with one element more.
fn list<'a>(before: impl Iterator<Item = &'a HeaderValue>, last: &[u8]) -> HeaderValue {
    let mut joined = BytesMut::new();
    for value in before {
        joined.extend_from_slice(value.as_bytes());
        joined.extend_from_slice(b", ");
    }
    joined.extend_from_slice(last);
    // Values joined are a value.
    HeaderValue::from_maybe_shared(joined.freeze()).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_static(name);
            map.append(name, HeaderValue::from_static(value));
        }
        map
    }

    fn passed(pairs: &[(&'static str, &'static str)], trusted: bool, ours: Ours) -> HeaderMap {
        let mut headers = map(pairs);
        let client = Client::new("192.0.2.1".parse().expect("an address"));
        let way = Way {
            client: &client,
            scheme: "http",
            trusted,
        };
        let upgrade = upgrade(Version::HTTP_11, &headers);
        request(&mut headers, way, ours, None, upgrade);
        headers
    }

    fn texts(headers: &HeaderMap) -> Vec<String> {
        let mut texts: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .filter(|text| !text.contains("forwarded"))
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn headers_of_one_connection_stay_on_it() {
        let headers = passed(
            &[
                ("host", "a"),
                ("connection", "keep-alive, X-Mine, host, Content-Length"),
                ("connection", "x-other,, bad name"),
                ("content-length", "0"),
                ("keep-alive", "1"),
                ("x-mine", "1"),
                ("x-other", "1"),
                ("x-third", "1"),
                ("te", "gzip"),
                ("proxy-authorization", "x"),
                ("upgrade", "websocket"),
                ("expect", "100-continue"),
            ],
            false,
            Ours::default(),
        );
        assert_eq!(
            texts(&headers),
            ["content-length: 0", "host: a", "x-third: 1"]
        );
    }

    #[test]
    fn nobody_but_us_says_who_asks() {
        let headers = passed(
            &[
                ("x-eai-user", "root"),
                ("x-eai-account", "root"),
                ("x_eai_user", "root"),
                ("x-eai_user", "root"),
                ("x_forwarded_for", "1.1.1.1"),
                ("authorization", "Bearer app"),
                ("some_header", "1"),
            ],
            false,
            Ours::default(),
        );
        assert_eq!(
            texts(&headers),
            ["authorization: Bearer app", "some_header: 1"]
        );
        assert!(!headers.contains_key("x_forwarded_for"));
    }

    #[test]
    fn only_our_credentials_are_taken_out() {
        let ours = Ours {
            authorization: true,
            cookie: Some("eai"),
        };
        let headers = passed(
            &[
                ("authorization", "Bearer ours"),
                ("cookie", "a=1; eai=secret; b=2"),
                ("cookie", "eai=secret"),
                ("cookie", "eaix=1"),
            ],
            false,
            ours,
        );
        assert_eq!(texts(&headers), ["cookie: a=1; b=2", "cookie: eaix=1"]);
    }

    #[test]
    fn upgrades_are_passed_on_but_not_to_http_2() {
        let asked = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let headers = passed(&asked, false, Ours::default());
        assert_eq!(
            texts(&headers),
            ["connection: upgrade", "upgrade: websocket"]
        );
        let h2 = [
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
        ];
        assert_eq!(texts(&passed(&h2, false, Ours::default())), [""; 0]);
    }

    #[test]
    fn the_application_learns_where_a_request_came_from() {
        let sent = [
            ("host", "a.test:80"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=203.0.113.9"),
        ];
        let headers = passed(&sent, false, Ours::default());
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], "a.test:80");
        let own = "for=192.0.2.1;host=\"a.test:80\";proto=http";
        assert_eq!(headers["forwarded"], own);

        let headers = passed(&sent, true, Ours::default());
        assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 192.0.2.1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["forwarded"], format!("for=203.0.113.9, {own}"));
        let client = Client::new("2001:db8::1".parse().expect("an address"));
        assert_eq!(client.node, "\"[2001:db8::1]\"");
    }
}
