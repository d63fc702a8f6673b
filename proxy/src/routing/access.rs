//! Who may send requests to a service or a job, and as whom the application sees them.
//!
//! The question is the API's: `service:get` or `job:get` on it. Answers are remembered with the token.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use eai_core::access::Thing;

use crate::api::Shared;
use crate::auth::{Known, bearer};
use crate::door;
use crate::ingress::{Failure, Identity, Ours};

/// A caller who may.
#[derive(Clone, Debug, Default)]
pub(super) struct Admitted {
    /// Who it is; unknown to a service that is public.
    pub(super) identity: Option<Identity>,
    /// What of the request is ours.
    pub(super) ours: Ours,
}

/// Admits a request to a thing of a kind. What is public takes anyone, and any credential.
pub(super) fn admit(
    platform: &Shared,
    request: &Parts,
    kind: &'static str,
    thing: &Thing<'_>,
    public: bool,
) -> Result<Admitted, Failure> {
    let ours = Ours {
        authorization: false,
        cookie: Some(door::session_name(platform.urls.is_secure())),
    };
    let anybody = Admitted {
        identity: None,
        ours,
    };
    let bears = request.headers.contains_key(AUTHORIZATION);
    if public && !bears {
        return Ok(anybody);
    }
    let known = if bears {
        by_token(platform, request)
    } else {
        by_cookie(platform, request, thing).ok_or_else(|| stranger(platform, request))
    };
    let known = match known {
        Ok(known) => known,
        // A credential that is not ours is the application's.
        Err(_) if public => return Ok(anybody),
        Err(failure) => return Err(failure),
    };
    if !public && !known.may_call(kind, thing) {
        return Err(refused(known.grants.reach(thing.account), kind, thing));
    }
    Ok(Admitted {
        identity: Some(known.identity.clone()),
        ours: Ours {
            authorization: bears,
            ..ours
        },
    })
}

fn by_token(platform: &Shared, request: &Parts) -> Result<Arc<Known>, Failure> {
    let token = bearer(&request.headers)
        .map_err(|error| Failure::unauthenticated(error.message().to_owned()))?;
    let known = platform.gate.known(&platform.tokens, &platform.live, token);
    known.map_err(|rejected| Failure::unauthenticated(rejected.to_string()))
}

/// Who a browser says it is, where one of this host's own pages asks.
fn by_cookie(platform: &Shared, request: &Parts, thing: &Thing<'_>) -> Option<Arc<Known>> {
    let urls = &platform.urls;
    let cookie = door::session(&request.headers, urls.is_secure())?;
    let on = thing.id.filter(|_| door::is_own(request, urls.scheme()))?;
    let known = platform
        .gate
        .session(&platform.tokens, &platform.live, cookie, on);
    known.ok()
}

/// What somebody learns who has nothing: a browser, where it can log in.
#[cold]
fn stranger(platform: &Shared, request: &Parts) -> Failure {
    let failure = match bearer(&request.headers) {
        Err(error) => Failure::unauthenticated(error.message().to_owned()),
        Ok(_) => Failure::unauthenticated("a token is missing"),
    };
    if door::is_page(request) {
        failure.login(door::challenge(platform, request))
    } else {
        failure
    }
}

/// What somebody without the right learns: whose it is, or which policy is missing.
#[cold]
fn refused(reaches: bool, kind: &str, thing: &Thing<'_>) -> Failure {
    let account = thing.account;
    if !reaches {
        return Failure::forbidden(format!(
            "account `{account}` is not yours: ask for a token of it"
        ));
    }
    let on = thing.id.map(|id| id.to_string()).unwrap_or_default();
    Failure::forbidden(format!(
        "this needs `{kind}:get@{on}`: ask for a role with it in account `{account}`"
    ))
}
