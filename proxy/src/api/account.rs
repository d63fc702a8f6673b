//! Accounts, their organization, and the caller itself.

use axum::Json;
use axum::extract::State;
use eai_core::names::{Name, Reference};
use eai_projections::{AccountRow, OrganizationRow};
use serde::Serialize;

use super::extract::{Params, Ref};
use super::list::{List, ListQuery};
use super::service::shown;
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;

/// An account as clients see it.
#[derive(Debug, Serialize)]
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
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Organization {
    id: String,
    name: String,
    urn: String,
    created_on: String,
}

/// A user as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    id: String,
    name: String,
    account: String,
    organization: String,
    urn: String,
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
    let rows = state.views.accounts(&query.scope(&caller)?, page).await?;
    Ok(ListQuery::answer(
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
) -> Result<Json<Account>, ApiError> {
    let row = resolve::account(&state, &caller, &reference).await?;
    Ok(Json(shape(&row)))
}

pub(crate) async fn organizations(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<List<Organization>>, ApiError> {
    let name = caller.account.organization();
    let row = state.views.organization_by_name(&name).await?;
    Ok(Json(List {
        items: row.iter().map(shape_organization).collect(),
        next: None,
    }))
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
    let missing = || ApiError::not_found("the user of this token is not there any more");
    let user = state.views.user(caller.user).await?.ok_or_else(missing)?;
    let organization = caller.account.organization();
    let row = state
        .views
        .organization_by_name(&organization)
        .await?
        .ok_or_else(missing)?;
    Ok(Json(User {
        id: user.id.to_string(),
        name: user.name.to_string(),
        account: user.account.to_string(),
        organization: organization.to_string(),
        urn: format!("{}:user:{}", row.id, user.id),
    }))
}
