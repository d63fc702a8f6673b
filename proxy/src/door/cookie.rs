//! The two cookies of a host: who is logged in there, and what proves that a login began in this browser.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// What proves that the login began here.
pub(super) const ANSWER: &str = "eai_login";

/// The cookie of who is logged in. Browsers keep one with a prefix to its own host, where there is TLS.
pub(crate) fn session_name(secure: bool) -> &'static str {
    if secure {
        "__Host-eai_session"
    } else {
        "eai_session"
    }
}

/// The cookie that says who is logged in.
pub(crate) fn session(headers: &HeaderMap, secure: bool) -> Option<&str> {
    only(headers, session_name(secure))
}

/// The value of a cookie; none where there are two, of which one may be somebody else's.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter();
    let mut values = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// A cookie of this host alone, which no script reads and no other site sends with more than a click.
pub(super) fn set(
    name: &str,
    value: &str,
    path: &str,
    age: i64,
    secure: bool,
) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let cookie =
        format!("{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_cookies_none_is_believed() {
        let of = |cookies: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                headers.append(COOKIE, HeaderValue::from_static(cookie));
            }
            only(&headers, "eai_session").map(str::to_owned)
        };
        assert_eq!(of(&["a=1; eai_session=x=y; b"]), Some("x=y".into()));
        assert_eq!(of(&["a=1", "eai_session=x"]), Some("x".into()));
        assert_eq!(of(&["eai_session=x; eai_session=y"]), None);
        assert_eq!(of(&["eai_session=x", "eai_session=y"]), None);
        assert_eq!(of(&["Eai_session=x", "xeai_session=y"]), None);
        assert_eq!(of(&[]), None);
    }
}
