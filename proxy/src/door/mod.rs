//! The way in for browsers: the platform's login page, and a cookie for the one host that it leads back to.
//!
//! A browser without a token is sent to the login page with a challenge, and comes back with a code that is good once,
//! for a minute, for that host and for whoever has the answer to the challenge. The API knows no cookie, and no page
//! of another host can use one. What a cookie is worth is `auth`'s business.

mod codes;
mod cookie;
mod guard;
mod page;
mod wanted;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use eai_core::digest::Digest;
use time::OffsetDateTime;

pub use codes::Codes;
pub(crate) use cookie::{session, session_name};
pub(crate) use guard::{is_own, is_page};
pub(crate) use wanted::challenge;

use crate::api::Shared;
use crate::auth::open_session;
use codes::Pending;
use wanted::Wanted;

/// What all paths begin with that are the platform's own on the hosts of services and jobs.
pub(crate) const OWN_PATHS: &str = "/.eai/";
/// Where a browser comes back to.
const RETURN: &str = "/.eai/login";
/// The largest form.
const MAX_FORM: usize = 16 * 1024;

/// The login page, on the platform's own host.
pub(crate) fn login() -> Router<Shared> {
    Router::new().route("/login", get(ask).post(enter))
}

/// What browsers need on the hosts of services and jobs.
pub fn on_hosts(platform: Shared) -> Router {
    Router::new()
        .route(RETURN, get(come_back))
        .route("/.eai/logout", get(ask_to_leave).post(leave))
        .fallback(async || page::told(StatusCode::NOT_FOUND, "There is nothing here.", None))
        .with_state(platform)
}

/// Asks for a token.
async fn ask(State(platform): State<Shared>, uri: Uri) -> Response {
    match Wanted::read(&platform, uri.query().unwrap_or_default().as_bytes()) {
        Ok((wanted, _)) => page::form(&platform, &wanted, None),
        Err(error) => page::told(StatusCode::BAD_REQUEST, &error.to_string(), None),
    }
}

/// Takes a token, and sends the browser back with a code for it.
async fn enter(State(platform): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    let own = platform.urls.platform();
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    // Another page could log its visitors in as somebody else.
    if origin != Some(own.as_bytes()) {
        let message = format!("The form was not sent by {own}. Open the page that you want again.");
        return page::told(StatusCode::FORBIDDEN, &message, None);
    }
    let Ok(form) = to_bytes(body, MAX_FORM).await else {
        let message = "The form is too large, or broke off.";
        return page::told(StatusCode::PAYLOAD_TOO_LARGE, message, None);
    };
    let (wanted, token) = match Wanted::read(&platform, &form) {
        Ok(read) => read,
        Err(error) => return page::told(StatusCode::BAD_REQUEST, &error.to_string(), None),
    };
    let now = OffsetDateTime::now_utc();
    let known = platform
        .gate
        .known(&platform.tokens, &platform.live, token.trim());
    let session = known.and_then(|known| open_session(&platform.tokens, &known, wanted.on, now));
    let (session, age) = match session {
        Ok(session) => session,
        Err(rejected) => return page::form(&platform, &wanted, Some(&rejected.to_string())),
    };
    let Wanted {
        origin,
        authority,
        path,
        challenge,
        ..
    } = wanted;
    let code = platform.codes.mint(Pending {
        session,
        age,
        host: authority,
        to: format!("{origin}{path}"),
        challenge,
    });
    go(&format!("{origin}{RETURN}?code={code}"), &[])
}

/// Gives the browser its cookie for a code.
async fn come_back(State(platform): State<Shared>, headers: HeaderMap, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let code = query.strip_prefix("code=").unwrap_or_default();
    let pending = platform.codes.take(code).filter(|pending| {
        let host = headers.get(HOST).map(HeaderValue::as_bytes);
        let answer = cookie::only(&headers, cookie::ANSWER);
        let answer = answer.map(|answer| Digest::of(answer.as_bytes()).to_string());
        host.is_some_and(|host| host.eq_ignore_ascii_case(pending.host.as_bytes()))
            && answer.as_ref() == Some(&pending.challenge)
    });
    let Some(pending) = pending else {
        let message =
            "This link was used already, is older than a minute, or is another browser's.";
        return page::told(
            StatusCode::BAD_REQUEST,
            message,
            Some(("/", "Log in again")),
        );
    };
    let secure = platform.urls.is_secure();
    let cookies = [
        cookie::set(
            session_name(secure),
            &pending.session,
            "/",
            pending.age,
            secure,
        ),
        cookie::set(cookie::ANSWER, "", OWN_PATHS, 0, secure),
    ];
    go(&pending.to, &cookies)
}

async fn ask_to_leave() -> Response {
    page::leave()
}

/// Takes the cookie away.
async fn leave(State(platform): State<Shared>, headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = format!("{}://{}", platform.urls.scheme(), host.unwrap_or_default());
    if headers.get(ORIGIN).map(HeaderValue::as_bytes) != Some(own.as_bytes()) {
        let message = "The form was not sent by this page.";
        return page::told(
            StatusCode::FORBIDDEN,
            message,
            Some(("/.eai/logout", "Log out")),
        );
    }
    let secure = platform.urls.is_secure();
    let mut answer = page::told(
        StatusCode::OK,
        "You are logged out here.",
        Some(("/", "Log in again")),
    );
    if let Some(cookie) = cookie::set(session_name(secure), "", "/", 0, secure) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer
}

/// Sends the browser to an address that was looked at before.
fn go(to: &str, cookies: &[Option<HeaderValue>]) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        let message = "The address has characters that no address has.";
        return page::told(StatusCode::BAD_REQUEST, message, None);
    };
    let mut answer = StatusCode::SEE_OTHER.into_response();
    let headers = answer.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page::guard(headers, "'none'");
    for cookie in cookies.iter().flatten() {
        headers.append(SET_COOKIE, cookie.clone());
    }
    answer
}
