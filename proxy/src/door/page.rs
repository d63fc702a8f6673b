//! The pages themselves: no script, nothing of anybody else, and nobody may frame them.

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};

use super::wanted::Wanted;
use crate::api::Shared;
use crate::ingress::escaped;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:10vh auto;\
    padding:0 1em;color-scheme:light dark}input,button{font:inherit;padding:.4em .6em}\
    input{width:100%;box-sizing:border-box;margin:.3em 0 1em}code{overflow-wrap:anywhere}\
    [role=alert]{border-left:4px solid #c33;padding-left:.8em}";

/// The form that asks for a token; `error` says why the last one was none.
pub(super) fn form(platform: &Shared, wanted: &Wanted, error: Option<&str>) -> Response {
    let host = escaped(&wanted.authority);
    let to = escaped(&format!("{}{}", wanted.origin, wanted.path));
    let challenge = escaped(&wanted.challenge);
    let alert = error.map(|error| format!("<p role=\"alert\">{}</p>", escaped(error)));
    let alert = alert.unwrap_or_default();
    let body = format!(
        "<h1>Log in</h1><p>to <code>{host}</code></p>{alert}\
         <form method=\"post\" action=\"/login\">\
         <input type=\"hidden\" name=\"to\" value=\"{to}\">\
         <input type=\"hidden\" name=\"challenge\" value=\"{challenge}\">\
         <label for=\"token\">Token, as <code>eai login token</code> prints it</label>\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"off\" required autofocus>\
         <button>Log in</button></form>"
    );
    let status = match error {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNAUTHORIZED,
    };
    // A browser follows the answer of a form only to where its page says.
    let own = platform.urls.platform();
    page(status, "Log in", &body, &format!("{own} {}", wanted.origin))
}

/// Asks whether somebody wants to log out.
pub(super) fn leave() -> Response {
    let body = "<h1>Log out</h1><form method=\"post\" action=\"/.eai/logout\">\
        <button>Log out here</button></form>";
    page(StatusCode::OK, "Log out", body, "'self'")
}

/// A page that says one thing, and where to go on.
pub(super) fn told(status: StatusCode, message: &str, link: Option<(&str, &str)>) -> Response {
    let title = status.canonical_reason().unwrap_or("Login");
    let title = if status == StatusCode::OK {
        "Login"
    } else {
        title
    };
    let link = link.map(|(to, text)| format!("<p><a href=\"{to}\">{text}</a></p>"));
    let link = link.unwrap_or_default();
    let body = format!("<h1>{title}</h1><p>{}</p>{link}", escaped(message));
    page(status, title, &body, "'none'")
}

fn page(status: StatusCode, title: &str, body: &str, forms_to: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style>{body}</html>"
    );
    let mut answer = (status, Html(page)).into_response();
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guard(headers, forms_to);
    answer
}

/// What a browser may do with an answer. Its forms go nowhere but to `forms_to`.
pub(super) fn guard(headers: &mut HeaderMap, forms_to: &str) {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; \
         form-action {forms_to}"
    );
    // Hosts were read as such, so they are a value.
    let policy =
        HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Without a referrer at all, a browser would not say whose form it sends.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}
