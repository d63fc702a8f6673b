//! Requests that two readers could understand differently are refused before anything is made of them.

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderName, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{ApiError, extract};

/// What a handler reads one of: a second one could be the one that a proxy before us has read.
const SINGLE: [HeaderName; 3] = [
    HOST,
    AUTHORIZATION,
    HeaderName::from_static("idempotency-key"),
];

/// Lets through what has one meaning.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match ambiguity(&request) {
        None => next.run(request).await,
        Some(message) => {
            extract::drain(request.into_body()).await;
            ApiError::bad_request(message).into_response()
        }
    }
}

fn ambiguity(request: &Request) -> Option<String> {
    let headers = request.headers();
    for name in SINGLE {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Some(format!("there is more than one `{name}` header: send one"));
        }
    }
    let host = headers.get(HOST);
    if host.is_none() && request.version() == Version::HTTP_11 {
        return Some("the `host` header is missing".into());
    }
    let authority = request.uri().authority()?.as_str();
    let same = host.is_none_or(|host| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()));
    (!same).then(|| "the request's target names another host than its `host` header".into())
}
