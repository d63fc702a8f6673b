//! Who may send requests to a service or a job, and as whom the application sees them.
//!
//! Tokens that were verified are remembered, so that a warm request costs no signature, and no digest either.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use eai_core::names::AccountName;
use foldhash::fast::RandomState;
use papaya::HashMap;
use time::OffsetDateTime;

use crate::api::Shared;
use crate::auth::{Claims, Kind, Rejected, bearer};
use crate::ingress::{Failure, Identity, Ours};

/// How many tokens are remembered, until all are verified anew.
const REMEMBERED: usize = 10_000;

/// Checks credentials.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// By the whole token. Only what was signed gets in, so nobody can make them collide.
    verified: HashMap<Box<str>, Arc<Verified>, RandomState>,
}

/// A token that was verified.
#[derive(Debug)]
struct Verified {
    account: AccountName,
    /// When it ends, in seconds since 1970.
    ends: i64,
    identity: Identity,
}

/// A caller who may.
#[derive(Clone, Debug, Default)]
pub(super) struct Admitted {
    /// Who it is; unknown to a service that is public.
    pub(super) identity: Option<Identity>,
    /// What of the request is ours.
    pub(super) ours: Ours,
}

// === impl Access ===

impl Access {
    /// Admits a request to something of an account. What is public takes anyone, and any credential.
    pub(super) fn admit(
        &self,
        platform: &Shared,
        request: &Parts,
        account: &AccountName,
        public: bool,
    ) -> Result<Admitted, Failure> {
        if public && !request.headers.contains_key(AUTHORIZATION) {
            return Ok(Admitted::default());
        }
        let verified = match self.verify(platform, request) {
            Ok(verified) => verified,
            // A credential that is not ours is the application's.
            Err(_) if public => return Ok(Admitted::default()),
            Err(failure) => return Err(failure),
        };
        let mine = verified.account == *account;
        if !mine && !public {
            return Err(Failure::forbidden(format!(
                "account `{account}` is not yours: ask for a token of it"
            )));
        }
        Ok(Admitted {
            identity: Some(verified.identity.clone()),
            ours: Ours {
                authorization: true,
                cookie: None,
            },
        })
    }

    fn verify(&self, platform: &Shared, request: &Parts) -> Result<Arc<Verified>, Failure> {
        let token = bearer(&request.headers)
            .map_err(|error| Failure::unauthenticated(error.message().to_owned()))?;
        let now = OffsetDateTime::now_utc();
        let known = self.verified.pin();
        if let Some(known) = known.get(token)
            && known.ends > now.unix_timestamp()
        {
            return Ok(Arc::clone(known));
        }
        let rejected = |rejected: Rejected| Failure::unauthenticated(rejected.to_string());
        let claims = platform
            .tokens
            .verify(token, Kind::Access, now)
            .map_err(rejected)?;
        let verified = Verified::try_from(claims).map_err(|_| rejected(Rejected::Invalid))?;
        let verified = Arc::new(verified);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(token.into(), Arc::clone(&verified));
        Ok(verified)
    }
}

impl TryFrom<Claims> for Verified {
    type Error = axum::http::header::InvalidHeaderValue;

    fn try_from(claims: Claims) -> Result<Self, Self::Error> {
        Ok(Self {
            ends: claims.exp,
            identity: Identity {
                user: HeaderValue::try_from(claims.sub.to_string())?,
                account: HeaderValue::try_from(claims.account.as_str())?,
            },
            account: claims.account,
        })
    }
}
