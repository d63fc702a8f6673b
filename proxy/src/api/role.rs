//! Roles: make, list, get, and what they allow. Who holds them is in `role_holders`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::command::Part;
use eai_core::ids::RoleId;
use eai_core::names::Name;
use eai_core::role::{self, Command, Policy, PolicyAdded, PolicyRemoved, RoleAggregate};
use eai_projections::RoleRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::{AtQuery, Seen as _, Sight};
use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery};
use super::openapi::Made;
use super::service::shown;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;

/// A role as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Role {
    id: String,
    name: String,
    full_name: String,
    account: String,
    policies: Vec<String>,
    /// The ids of the users that hold it.
    members: Vec<String>,
    created_on: String,
}

/// A role to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// Absent where any name will do.
    name: Option<String>,
    account: Option<String>,
    #[serde(default)]
    policies: Vec<Policy>,
}

/// A policy of a role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OnePolicy {
    policy: Policy,
}

pub(super) fn shape(row: RoleRow) -> Role {
    Role {
        id: row.id.to_string(),
        full_name: row.account.join(row.name.clone()).to_string(),
        name: row.name.to_string(),
        account: row.account.to_string(),
        policies: row.policies,
        members: row.members.iter().map(ToString::to_string).collect(),
        created_on: shown(row.created_on),
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Role>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight.views().roles(&query.scope(&caller)?, page).await?;
    Ok(ListQuery::seen(
        &caller,
        rows,
        &page,
        |row| row.sequence,
        shape,
    ))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<AtQuery>,
) -> Result<Json<Role>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    resolve::role(&sight, &caller, &reference)
        .await
        .map(shape)
        .map(Json)
}

pub(crate) async fn create(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Input(wanted): Input<NewRole>,
) -> Result<Made<Role>, ApiError> {
    let name = match wanted.name {
        Some(name) => name,
        // The same for the same command, and no other's.
        None => format!("role_{}", id.0.simple())
            .parse::<Name>()?
            .to_string(),
    };
    let full_name = resolve::new_name(&caller, &name, wanted.account.as_deref())?;
    caller.may_give(&full_name.account, &wanted.policies)?;
    let role = RoleId(id.aggregate(0));
    let parts = role::create(role, &full_name, wanted.policies);
    let context = command::context(&caller, id, &headers);
    let outcome = command::execute(&state, &context, &parts).await?;
    let row = state.views.role(role).await?;
    let row = row.ok_or_else(|| command::made_nothing(&outcome, id))?;
    command::made_as_asked(id, &row.account.join(row.name.clone()), &full_name)?;
    Ok(Made(shape(row)))
}

pub(crate) async fn add_policy(
    State(state): State<Shared>,
    caller: Caller,
    key: Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(OnePolicy { policy }): Input<OnePolicy>,
) -> Result<Json<Role>, ApiError> {
    let row = resolve::role(&state, &caller, &reference).await?;
    caller.may_give(&row.account, [&policy])?;
    let command = Command::AddPolicy(PolicyAdded { policy });
    change(&state, &caller, key, &headers, &row, command).await
}

pub(crate) async fn remove_policy(
    State(state): State<Shared>,
    caller: Caller,
    key: Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(OnePolicy { policy }): Input<OnePolicy>,
) -> Result<Json<Role>, ApiError> {
    let row = resolve::role(&state, &caller, &reference).await?;
    let command = Command::RemovePolicy(PolicyRemoved { policy });
    change(&state, &caller, key, &headers, &row, command).await
}

/// Gives a command to a role, and shows what it is then.
pub(super) async fn change(
    state: &Shared,
    caller: &Caller,
    Key(id): Key,
    headers: &HeaderMap,
    row: &RoleRow,
    command: Command,
) -> Result<Json<Role>, ApiError> {
    let mut context = command::context(caller, id, headers);
    if matches!(
        command,
        Command::RemovePolicy(_) | Command::RemoveMember(_) | Command::RevokeKey(_)
    ) {
        // A right is taken away also where the log has no room for anything else.
        context = command::essential(context);
    }
    let part = Part::<RoleAggregate>::on(row.account.clone(), row.id, command).boxed();
    command::execute(state, &context, &[part]).await?;
    let row = state.views.role(row.id).await?;
    let row = row.ok_or_else(|| ApiError::internal(&"a role that changed is gone"))?;
    Ok(Json(shape(row)))
}
