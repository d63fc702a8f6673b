//! Fresh access tokens for a refresh token.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::service::shown;
use super::{ApiError, Shared};
use crate::auth::{Claims, Kind, Rejected, bearer, goes_on, is_not_revoked};

/// An access token and when it ends.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Token {
    token: String,
    expires_on: String,
}

pub(crate) async fn refresh(
    State(state): State<Shared>,
    headers: HeaderMap,
) -> Result<Json<Token>, ApiError> {
    let now = OffsetDateTime::now_utc();
    let claims = state.tokens.verify(bearer(&headers)?, Kind::Refresh, now)?;
    match claims.of {
        Some(of) if goes_on(&state.live, of) => {}
        Some(_) => return Err(Rejected::Over.into()),
        None => is_not_revoked(&state.live, claims.sub, claims.iat)?,
    }
    let (user, account) = (claims.sub, claims.account);
    let access = Claims {
        of: claims.of,
        ..state
            .tokens
            .claims(user, account, Kind::Access, Uuid::new_v4(), now)
    };
    let token = state
        .tokens
        .sign(&access)
        .map_err(|error| ApiError::internal(&error))?;
    let expires_on = OffsetDateTime::from_unix_timestamp(access.exp).unwrap_or(now);
    Ok(Json(Token {
        token,
        expires_on: shown(expires_on),
    }))
}
