//! Roles: list, get.

use axum::Json;
use axum::extract::State;
use eai_projections::RoleRow;
use serde::Serialize;

use super::extract::{Params, Ref};
use super::list::{List, ListQuery};
use super::service::shown;
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;

/// A role as clients see it.
#[derive(Debug, Serialize)]
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

fn shape(row: RoleRow) -> Role {
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
    let rows = state.views.roles(&query.scope(&caller)?, page).await?;
    Ok(ListQuery::answer(rows, &page, |row| row.sequence, shape))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Json<Role>, ApiError> {
    resolve::role(&state, &caller, &reference)
        .await
        .map(shape)
        .map(Json)
}
