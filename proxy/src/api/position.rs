//! Read your writes: an answer says how far the log was, and the next request waits until the views are there.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use eai_core::ids::PlatformId;

use super::{ApiError, Shared};
use crate::auth::bearer;

/// `<platform id>:<sequence>`; opaque to clients, which send back the newest one they saw.
pub(crate) const HEADER: &str = "x-eai-position";
/// How long a request waits for the views.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for what the client saw last, and tells it what it sees now.
pub(crate) async fn follow(State(state): State<Shared>, request: Request, next: Next) -> Response {
    // The log is not asked for whoever comes along; the handler says what is wrong with the token.
    let known = bearer(request.headers())
        .is_ok_and(|token| state.gate.known(&state.tokens, &state.live, token).is_ok());
    if known
        && let Some(sequence) = position(request.headers(), state.facts.platform)
        && sequence > state.views.sequence()
        && let Err(error) = reach(&state, sequence).await
    {
        return error.into_response();
    }
    let mut response = next.run(request).await;
    // Who has no token learns nothing of the log.
    if response.status() == StatusCode::UNAUTHORIZED {
        return response;
    }
    let now = format!("{}:{}", state.facts.platform, state.views.sequence());
    if let Ok(now) = HeaderValue::try_from(now) {
        response.headers_mut().insert(HEADER, now);
    }
    response
}

/// Waits until the views have a sequence, unless the log itself ends before it.
async fn reach(state: &Shared, sequence: u64) -> Result<(), ApiError> {
    if sequence > state.log.last_sequence().await? {
        // The client saw a log that was since replaced by a shorter copy: there is nothing to wait for.
        tracing::warn!(sequence, "api.position: beyond the log's end");
        return Ok(());
    }
    Ok(state.views.until(sequence, PATIENCE).await?)
}

/// The sequence that a client saw on this platform. One seen on another says nothing here.
fn position(headers: &HeaderMap, platform: PlatformId) -> Option<u64> {
    let (seen_on, sequence) = headers.get(HEADER)?.to_str().ok()?.split_once(':')?;
    (seen_on.parse() == Ok(platform)).then(|| sequence.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn positions_of_other_platforms_are_ignored() {
        let here = PlatformId(Uuid::from_u128(1));
        let read = |value: String| {
            let headers = HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(HEADER),
                HeaderValue::try_from(value).unwrap(),
            )]);
            position(&headers, here)
        };
        assert_eq!(read(format!("{here}:7")), Some(7));
        assert_eq!(read(format!("{}:7", PlatformId(Uuid::from_u128(2)))), None);
        assert_eq!(read(format!("{here}:x")), None);
        assert_eq!(read("7".into()), None);
    }
}
