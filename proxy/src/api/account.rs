//! Accounts, their organization, and the caller itself.

use axum::Json;
use axum::extract::State;
use eai_core::names::{Name, Reference};
use eai_projections::{AccountRow, OrganizationRow};
use schemars::JsonSchema;
use serde::Serialize;

use super::at::{AtQuery, Seen as _, Sight};
use super::extract::{Params, Ref};
use super::list::{List, ListQuery, PageQuery};
use super::service::shown;
use super::user::User;
use super::{ApiError, Shared, resolve};
use crate::auth::{Caller, Who};

/// An account as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    id: String,
    name: String,
    full_name: String,
    organization: String,
    /// The full name of the account it is nested in, or nothing.
    parent: String,
    urn: String,
    created_on: String,
}

/// An organization as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Organization {
    id: String,
    name: String,
    urn: String,
    created_on: String,
}

fn shape(row: &AccountRow) -> Account {
    Account {
        id: row.id.to_string(),
        name: row.full_name.own().to_string(),
        full_name: row.full_name.to_string(),
        organization: row.full_name.organization().to_string(),
        parent: row
            .full_name
            .parent()
            .map(|parent| parent.to_string())
            .unwrap_or_default(),
        urn: format!("{}:account:{}", row.organization_id, row.id),
        created_on: shown(row.created_on),
    }
}

fn shape_organization(row: &OrganizationRow) -> Organization {
    Organization {
        id: row.id.to_string(),
        name: row.name.to_string(),
        urn: row.id.to_string(),
        created_on: shown(row.created_on),
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Account>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight.views().accounts(&query.scope(&caller)?, page).await?;
    Ok(ListQuery::seen(
        &caller,
        rows,
        &page,
        |row| row.sequence,
        |row| shape(&row),
    ))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<AtQuery>,
) -> Result<Json<Account>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    let row = resolve::account(&sight, &caller, &reference).await?;
    Ok(Json(shape(&row)))
}

pub(crate) async fn organizations(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<PageQuery>,
) -> Result<Json<List<Organization>>, ApiError> {
    let name = caller.account.organization();
    let row = state.views.organization_by_name(&name).await?;
    let rows = row.iter().map(shape_organization).collect();
    query.of(rows, |row: &Organization| row.name.clone())
}

pub(crate) async fn organization(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Json<Organization>, ApiError> {
    let own: Name = caller.account.organization();
    let row = state.views.organization_by_name(&own).await?;
    // The caller sees its own organization, so there is nothing else to look for.
    let meant = row.filter(|row| match reference.parse::<Reference>() {
        Ok(Reference::Id(id)) => row.id.0 == id,
        _ => row.name.as_str() == reference,
    });
    meant
        .as_ref()
        .map(shape_organization)
        .map(Json)
        .ok_or_else(|| {
            ApiError::not_found(format!(
                "there is no organization `{reference}` that is yours"
            ))
        })
}

pub(crate) async fn me(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<User>, ApiError> {
    let missing = || ApiError::not_found("whoever this token is of is not there any more");
    let (kind, id, name) = match caller.who() {
        Who::User(id) => {
            let user = state.views.user(id).await?.ok_or_else(missing)?;
            ("user", id.to_string(), user.name.to_string())
        }
        Who::Key(id, role) => {
            let role = state.views.role(role).await?.ok_or_else(missing)?;
            ("key", id.to_string(), role.name.to_string())
        }
        Who::Run(of) => {
            let job = state.views.job(of.job).await?.ok_or_else(missing)?;
            let name = job.name.map(|name| name.to_string());
            let id = of.job.to_string();
            ("job", id.clone(), name.unwrap_or(id))
        }
    };
    let organization = caller.account.organization();
    let row = state
        .views
        .organization_by_name(&organization)
        .await?
        .ok_or_else(missing)?;
    Ok(Json(User {
        urn: format!("{}:{kind}:{id}", row.id),
        id,
        name,
        account: caller.account.to_string(),
        organization: organization.to_string(),
        refresh_token: None,
    }))
}
