//! Headers that belong to one connection, and end with it (<https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1>).

use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName};

/// Headers of one connection, whether or not `Connection` names them.
const HOP_BY_HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What `Connection` cannot take away: they say where a message goes and where it ends.
const KEPT: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRAILER];

/// What `Connection` lists.
pub fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Removes what is of the connection that they came by.
pub fn strip(headers: &mut HeaderMap) {
    // Most have none of these, and few headers at all: one look at each is cheaper than to look each of these up.
    let (mut connection, mut others) = (false, false);
    for name in headers.keys() {
        connection |= *name == CONNECTION;
        others |= HOP_BY_HOP.contains(name);
    }
    if connection && !names_headers(headers) {
        headers.remove(CONNECTION);
        connection = false;
    }
    if !connection && !others {
        return;
    }
    if connection {
        let named: Vec<HeaderName> = options(headers)
            .filter_map(|option| option.parse().ok())
            .filter(|name| !KEPT.contains(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether `Connection` lists more than whether it goes on.
fn names_headers(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONNECTION).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.is_none_or(|only| {
        let only = only.as_bytes();
        !only.eq_ignore_ascii_case(b"keep-alive") && !only.eq_ignore_ascii_case(b"close")
    })
}
