//! Who holds a role: its keys and its members.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::command::Part;
use eai_core::digest::Digest;
use eai_core::ids::KeyId;
use eai_core::role::{
    Command, KeyAdded, KeyRevoked, MemberAdded, MemberRemoved, Policy, RoleAggregate,
};
use eai_projections::{KeyRow, RoleRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery, PageQuery};
use super::openapi::Made;
use super::role::{Role, change};
use super::service::shown;
use super::{ApiError, Shared, command, resolve};
use crate::auth::{Caller, KEY_PREFIX};

/// A key as clients see it, all but the first time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleKey {
    id: String,
    role: String,
    /// `good` or `revoked`.
    state: &'static str,
    created_on: String,
    created_by: String,
    revoked_on: Option<String>,
    /// The key itself: told once, to whoever made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// A key that is meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneKey {
    key: KeyId,
}

/// A user that is meant: by id, name or URN.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneUser {
    user: String,
}

fn shape(row: KeyRow, key: Option<String>) -> RoleKey {
    RoleKey {
        id: row.id.to_string(),
        role: row.role.to_string(),
        state: if row.revoked_on.is_some() {
            "revoked"
        } else {
            "good"
        },
        created_on: shown(row.created_on),
        created_by: row.created_by,
        revoked_on: row.revoked_on.map(shown),
        key,
    }
}

pub(crate) async fn keys(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<PageQuery>,
) -> Result<Json<List<RoleKey>>, ApiError> {
    let role = resolve::role(&state, &caller, &reference).await?;
    let page = query.page()?;
    let rows = state.views.role_keys(role.id, page).await?;
    let shape = |row| shape(row, None);
    Ok(ListQuery::answer(rows, &page, |row| row.sequence, shape))
}

/// Makes a key. It is never stored: the same command makes the same one again.
pub(crate) async fn add_key(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Made<RoleKey>, ApiError> {
    let role = resolve::role(&state, &caller, &reference).await?;
    may_give(&caller, &role)?;
    let secret = state.tokens.secret(id);
    let secret = secret.map_err(|error| ApiError::internal(&error))?;
    let text = format!("{KEY_PREFIX}{secret}");
    let added = KeyAdded {
        id: KeyId(id.aggregate(0)),
        hash: Digest::of(text.as_bytes()),
    };
    let key = added.id;
    let command = Command::AddKey(added);
    let part = Part::<RoleAggregate>::on(role.account.clone(), role.id, command).boxed();
    let context = command::context(&caller, id, &headers);
    let outcome = command::execute(&state, &context, &[part]).await?;
    let row = state.views.role_key(key).await?;
    let row = row.ok_or_else(|| command::made_nothing(&outcome, id))?;
    Ok(Made(shape(row, Some(text))))
}

pub(crate) async fn revoke_key(
    State(state): State<Shared>,
    caller: Caller,
    key: Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(OneKey { key: id }): Input<OneKey>,
) -> Result<Json<Role>, ApiError> {
    let role = resolve::role(&state, &caller, &reference).await?;
    let command = Command::RevokeKey(KeyRevoked { id });
    change(&state, &caller, key, &headers, &role, command).await
}

pub(crate) async fn add_member(
    State(state): State<Shared>,
    caller: Caller,
    key: Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(OneUser { user }): Input<OneUser>,
) -> Result<Json<Role>, ApiError> {
    let role = resolve::role(&state, &caller, &reference).await?;
    may_give(&caller, &role)?;
    let user = resolve::user(&state, &caller, &user).await?;
    let command = Command::AddMember(MemberAdded { user: user.id });
    change(&state, &caller, key, &headers, &role, command).await
}

pub(crate) async fn remove_member(
    State(state): State<Shared>,
    caller: Caller,
    key: Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(OneUser { user }): Input<OneUser>,
) -> Result<Json<Role>, ApiError> {
    let role = resolve::role(&state, &caller, &reference).await?;
    let user = resolve::user(&state, &caller, &user).await?;
    let command = Command::RemoveMember(MemberRemoved { user: user.id });
    change(&state, &caller, key, &headers, &role, command).await
}

/// Whether the caller may let others hold a role: it has all that the role allows.
pub(super) fn may_give(caller: &Caller, role: &RoleRow) -> Result<(), ApiError> {
    let policies: Result<Vec<Policy>, _> = role.policies.iter().map(|text| text.parse()).collect();
    let policies = policies.map_err(|error| ApiError::internal(&error))?;
    caller.may_give(&role.account, &policies)
}
