//! The caller of a request, and what it may do.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use eai_core::ids::UserId;
use eai_core::names::{AccountName, Name};
use time::OffsetDateTime;

use super::{Kind, Rejected};
use crate::api::{ApiError, Shared};

/// A user whose token was verified.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The account that plain names are looked for in.
    pub account: AccountName,
}

impl Caller {
    /// Whether the caller may see and change what is in an account. Everything that is served asks here.
    pub fn may_use(&self, account: &AccountName) -> Result<(), ApiError> {
        if *account == self.account {
            Ok(())
        } else {
            Err(ApiError::forbidden(format!(
                "account `{account}` is not yours"
            )))
        }
    }

    /// Whether the caller may list an organization: it sees its own account there.
    pub fn may_list(&self, organization: &Name) -> Result<(), ApiError> {
        if *organization == self.account.organization() {
            Ok(())
        } else {
            Err(ApiError::forbidden(format!(
                "organization `{organization}` is not yours"
            )))
        }
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers)?;
        let claims = state
            .tokens
            .verify(token, Kind::Access, OffsetDateTime::now_utc())?;
        Ok(Self {
            user: claims.sub,
            account: claims.account,
        })
    }
}

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let header = headers.get(AUTHORIZATION).ok_or_else(|| {
        ApiError::unauthenticated("a token is missing: send `Authorization: Bearer TOKEN`, as `eai login token -H` prints it")
    })?;
    let text = header
        .to_str()
        .map_err(|_| ApiError::from(Rejected::Invalid))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(ApiError::unauthenticated(
            "the Authorization header must read `Bearer TOKEN`",
        ))
    }
}
