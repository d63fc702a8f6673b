//! The caller of a request, and what it may do.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use eai_core::access::{Policy, Thing};
use eai_core::envelope::Actor;
use eai_core::names::{AccountName, Name};

use super::gate::{Known, Who};
use super::{Needs, Rejected};
use crate::api::{ApiError, Shared};

/// Somebody who was let in, and the operation that it asks for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account that plain names are looked for in.
    pub account: AccountName,
    known: Arc<Known>,
    needs: Needs,
    /// Nobody's rights can be read: all that is told is what the platform says of itself.
    blind: bool,
}

/// What is told to everybody with a good token, where rights cannot be read: it says where to look.
const BLIND: (&str, &str) = ("server", "get");

impl Caller {
    /// Who it is, as events tell it.
    pub fn actor(&self) -> Actor {
        self.known.who.actor()
    }

    pub(crate) fn who(&self) -> Who {
        self.known.who
    }

    /// Whether the caller may have to do with an account at all.
    pub fn may_use(&self, account: &AccountName) -> Result<(), ApiError> {
        if *account == self.account || self.known.grants.reach(account) {
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

    /// Whether the caller may do to a thing of `kind` what it asks for. `missing` is what it learns of things that it
    /// may not even see.
    pub(crate) fn may(
        &self,
        kind: &'static str,
        thing: &Thing<'_>,
        missing: impl FnOnce() -> ApiError,
    ) -> Result<(), ApiError> {
        let (of, verb) = self.needs.of(kind);
        if self.allows(of, verb, thing) {
            return Ok(());
        }
        if verb == "new" || self.allows(kind, "get", thing) {
            return Err(lacks(of, verb, thing));
        }
        Err(missing())
    }

    /// Whether the caller may do something else to a thing than what it asks for first.
    pub(crate) fn must(&self, kind: &str, verb: &str, thing: &Thing<'_>) -> Result<(), ApiError> {
        self.allows(kind, verb, thing)
            .then_some(())
            .ok_or_else(|| lacks(kind, verb, thing))
    }

    /// Whether the caller may do what it asks for to an account, or to the platform that lives there.
    pub(crate) fn may_here(&self, account: &AccountName) -> Result<(), ApiError> {
        if self.blind {
            return Ok(());
        }
        let thing = Thing::account(account);
        self.must(self.needs.kind, self.needs.verb, &thing)
    }

    /// Whether the caller may make a thing.
    pub(crate) fn may_make(&self, thing: &Thing<'_>) -> Result<(), ApiError> {
        self.must(self.needs.kind, self.needs.verb, thing)
    }

    /// Whether what the caller asks for may be done to a thing: for lists.
    pub(crate) fn sees(&self, thing: &Thing<'_>) -> bool {
        self.allows(self.needs.kind, self.needs.verb, thing)
    }

    pub(crate) fn allows(&self, kind: &str, verb: &str, thing: &Thing<'_>) -> bool {
        self.known.grants.allow(kind, verb, thing)
    }

    /// Whether the caller may give policies to others: it has all of it itself.
    pub(crate) fn may_give<'p>(
        &self,
        account: &AccountName,
        policies: impl IntoIterator<Item = &'p Policy>,
    ) -> Result<(), ApiError> {
        let mut policies = policies.into_iter();
        match policies.find(|policy| !self.known.grants.cover(policy, account)) {
            None => Ok(()),
            Some(policy) => Err(ApiError::forbidden(format!(
                "nobody gives what it does not have: you do not hold `{policy}` in account `{account}`"
            ))),
        }
    }

    /// What the caller holds.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (&AccountName, &Policy)> {
        let grants = self.known.grants.iter();
        grants.flat_map(|grant| {
            let account = &grant.place.account;
            grant.policies.iter().map(move |policy| (account, policy))
        })
    }
}

/// What is missing, as a policy that would be enough.
fn lacks(kind: &str, verb: &str, thing: &Thing<'_>) -> ApiError {
    let account = thing.account;
    let on = match (thing.name, thing.id) {
        (Some(name), _) => format!("{account}.{name}"),
        (None, Some(id)) => id.to_string(),
        (None, None) => account.to_string(),
    };
    ApiError::forbidden(format!(
        "you may not do this: it needs `{kind}:{verb}@{on}`, which a role of yours gets with `eai role policy add`"
    ))
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers)?;
        let known = state.gate.known(&state.tokens, &state.live, token)?;
        state.rates.admit(known.who).map_err(ApiError::too_many)?;
        let needs = parts.extensions.get::<Needs>().copied();
        let needs = needs.ok_or_else(|| ApiError::internal(&"an operation without a row"))?;
        // A log that is damaged where it begins tells of no role: that is no reason to call anybody's rights too few.
        let halted = known.grants.is_empty().then(|| state.views.halted());
        let halted = halted.flatten();
        let blind = halted.is_some();
        if let Some(reason) = halted
            && (needs.kind, needs.verb) != BLIND
        {
            return Err(eai_projections::Error::Halted { reason }.into());
        }
        Ok(Self {
            account: known.account.clone(),
            known,
            needs,
            blind,
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
