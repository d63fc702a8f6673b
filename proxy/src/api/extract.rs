//! What a handler takes from a request, bounded and validated, with errors that say what was wrong.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use eai_core::ids::CommandId;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{ApiError, Shared};

/// The largest body of a command.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How long a client may take to send it.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long it may take to send one with many tasks, or large ones.
const TEXT_TIME: Duration = Duration::from_mins(5);

/// A JSON body, read whole.
pub(crate) struct Input<T>(pub(crate) T);

/// What the path names: an id, a full name or a plain name, not read yet.
pub(crate) struct Ref(pub(crate) String);

/// The query's parameters.
pub(crate) struct Params<T>(pub(crate) T);

/// The id of the command: the client's idempotency key, or a new one.
pub(crate) struct Key(pub(crate) CommandId);

impl<T: DeserializeOwned> FromRequest<Shared> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, ApiError> {
        json(request, MAX_BODY).await.map(Self)
    }
}

/// A body of at most so many bytes, read whole.
async fn bytes(request: Request, most: usize, time: Duration) -> Result<Bytes, ApiError> {
    let body = Limited::new(request.into_body(), most);
    let read = tokio::time::timeout(time, body.collect())
        .await
        .map_err(|_| ApiError::bad_request("the body did not arrive in time"))?;
    let read = read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            ApiError::too_large(format!("the body is larger than {most} bytes: send less"))
        } else {
            ApiError::bad_request("the body broke off")
        }
    })?;
    Ok(read.to_bytes())
}

/// A body that is text, of at most so many bytes, read whole. A large one may take its time.
pub(crate) async fn text(request: Request, most: usize) -> Result<String, ApiError> {
    let bytes = bytes(request, most, TEXT_TIME).await?;
    String::from_utf8(bytes.into()).map_err(|_| ApiError::bad_request("the body is not UTF-8"))
}

/// A JSON body of at most so many bytes, read whole.
pub(crate) async fn json<T: DeserializeOwned>(
    request: Request,
    most: usize,
) -> Result<T, ApiError> {
    let bytes = bytes(request, most, BODY_TIME).await?;
    // Fields have names: a list of values by position is nobody's intention.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::bad_json(
            "the body is not what is expected: send a JSON object",
        ));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::bad_json(format!("the body is not what is expected: {error}")))
}

impl FromRequestParts<Shared> for Ref {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(reference)| Self(reference))
            .map_err(|_| ApiError::bad_request("the path is not UTF-8"))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|error| {
                ApiError::bad_request(format!("the query cannot be read: {}", error.body_text()))
            })
    }
}

impl FromRequestParts<Shared> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, ApiError> {
        let Some(header) = parts.headers.get("idempotency-key") else {
            return Ok(Self(CommandId(Uuid::new_v4())));
        };
        let key = header.to_str().ok().and_then(|text| text.parse().ok());
        key.map(Self).ok_or_else(|| {
            ApiError::bad_request("the Idempotency-Key header must be a UUID, such as 6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e")
        })
    }
}

/// Reads what is left of a body that no handler wants, so that a keep-alive connection stays usable.
pub(crate) async fn drain(body: Body) {
    let read = Limited::new(body, MAX_BODY).collect();
    // Whatever goes wrong here ends the connection, and the answer is decided already.
    drop(tokio::time::timeout(BODY_TIME, read).await);
}
