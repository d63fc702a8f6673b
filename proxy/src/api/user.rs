//! Users of an account: make, list, get, their tokens, and what the caller itself may do.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::access::Policy;
use eai_core::account::{AccountAggregate, Command, TokensRevoked, UserAdded};
use eai_core::command::Part;
use eai_core::ids::UserId;
use eai_core::log::live::Holder;
use eai_core::names::AccountName;
use eai_projections::{OrganizationRow, UserRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::at::{AtQuery, Seen as _, Sight};
use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery, PageQuery};
use super::openapi::Made;
use super::{ApiError, Shared, command, resolve};
use crate::auth::{Caller, Kind};

/// A user as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) account: String,
    pub(super) organization: String,
    pub(super) urn: String,
    /// What the user logs in with: told once, to whoever made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
}

/// A user to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    name: String,
    account: Option<String>,
}

/// A policy that the caller holds.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(crate) struct Held {
    policy: String,
    /// The account that it counts in.
    account: String,
}

/// One user, with the token that it logs in with where that is told.
async fn shape(
    state: &Shared,
    row: &UserRow,
    refresh_token: Option<String>,
) -> Result<User, ApiError> {
    let known = organization_of(state, row).await?;
    Ok(shape_in(known.as_ref(), row, refresh_token))
}

async fn organization_of(
    state: &Shared,
    row: &UserRow,
) -> Result<Option<OrganizationRow>, ApiError> {
    let organization = row.account.organization();
    Ok(state.views.organization_by_name(&organization).await?)
}

fn shape_in(known: Option<&OrganizationRow>, row: &UserRow, refresh_token: Option<String>) -> User {
    let organization = row.account.organization();
    User {
        urn: match known {
            Some(known) => format!("{}:user:{}", known.id, row.id),
            None => format!("{organization}:user:{}", row.id),
        },
        id: row.id.to_string(),
        name: row.name.to_string(),
        account: row.account.to_string(),
        organization: organization.to_string(),
        refresh_token,
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<User>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight.views().users(&query.scope(&caller)?, page).await?;
    // A list is of one account and those below it, so of one organization.
    let known = match rows.first() {
        Some(row) => organization_of(&state, row).await?,
        None => None,
    };
    let shape = |row: UserRow| shape_in(known.as_ref(), &row, None);
    let place = |row: &UserRow| row.sequence;
    Ok(ListQuery::seen(&caller, rows, &page, place, shape))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<AtQuery>,
) -> Result<Json<User>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    let row = resolve::user(&sight, &caller, &reference).await?;
    shape(&state, &row, None).await.map(Json)
}

/// Makes a user, with the token that it logs in with. It may do nothing until a role has it as a member.
pub(crate) async fn create(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Input(wanted): Input<NewUser>,
) -> Result<Made<User>, ApiError> {
    let full_name = resolve::new_name(&caller, &wanted.name, wanted.account.as_deref())?;
    let user = UserAdded {
        id: UserId(id.aggregate(0)),
        name: full_name.name.clone(),
    };
    let (user_id, command) = (user.id, Command::AddUser(user));
    let context = command::context(&caller, id, &headers);
    let part = on_account(&state, &full_name.account, command)?;
    let outcome = command::execute(&state, &context, &[part]).await?;
    let row = state.views.user(user_id).await?;
    let row = row.ok_or_else(|| command::made_nothing(&outcome, id))?;
    command::made_as_asked(id, &row.account.join(row.name.clone()), &full_name)?;
    let token = refresh(&state, &row)?;
    let user = shape(&state, &row, Some(token)).await?;
    Ok(Made(user))
}

/// Another token for a user to log in with: whoever asks may be that user from then on, so it has all its rights.
pub(crate) async fn token(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Made<User>, ApiError> {
    let row = resolve::user(&state, &caller, &reference).await?;
    let grants = state.live.grants(Holder::User(row.id), &row.account);
    for grant in grants.iter() {
        caller.may_give(&grant.place.account, &grant.policies)?;
    }
    let token = refresh(&state, &row)?;
    let user = shape(&state, &row, Some(token)).await?;
    Ok(Made(user))
}

/// Makes every token that a user was given so far good for nothing.
pub(crate) async fn revoke(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<User>, ApiError> {
    let row = resolve::user(&state, &caller, &reference).await?;
    let revoked = TokensRevoked {
        user: row.id,
        before: OffsetDateTime::now_utc().unix_timestamp(),
    };
    let part = on_account(&state, &row.account, Command::RevokeTokens(revoked))?;
    let context = command::essential(command::context(&caller, id, &headers));
    command::execute(&state, &context, &[part]).await?;
    shape(&state, &row, None).await.map(Json)
}

/// What the caller may do.
pub(crate) async fn policies(
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<Json<List<Held>>, ApiError> {
    let held = caller
        .policies()
        .map(|(account, policy): (_, &Policy)| Held {
            policy: policy.to_string(),
            account: account.to_string(),
        });
    // Two roles may allow the same.
    let held: BTreeSet<Held> = held.collect();
    query.of(held.into_iter().collect(), |held: &Held| {
        format!("{} {}", held.account, held.policy)
    })
}

pub(super) fn on_account(
    state: &Shared,
    account: &AccountName,
    command: Command,
) -> Result<Box<dyn eai_core::command::AnyPart>, ApiError> {
    let id = state.live.account(account).ok_or_else(|| {
        ApiError::not_found(format!(
            "there is no account `{account}`: `eai account ls` lists what there is"
        ))
    })?;
    Ok(Part::<AccountAggregate>::on(account.clone(), id, command).boxed())
}

fn refresh(state: &Shared, row: &UserRow) -> Result<String, ApiError> {
    let now = OffsetDateTime::now_utc();
    // One that is asked for in the second of a revocation is not what was revoked.
    let after = row.revoked_before.map_or(now, |before| {
        let next = OffsetDateTime::from_unix_timestamp(before + 1).unwrap_or(now);
        next.max(now)
    });
    let claims = state.tokens.claims(
        row.id,
        row.account.clone(),
        Kind::Refresh,
        Uuid::new_v4(),
        after,
    );
    let token = state.tokens.sign(&claims);
    token.map_err(|error| ApiError::internal(&error))
}
