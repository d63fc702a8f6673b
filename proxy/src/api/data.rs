//! Data resources: make, list, get.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::data;
use eai_core::ids::DataId;
use eai_projections::DataRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::{AtQuery, Seen as _, Sight};
use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery};
use super::openapi::Made;
use super::service::shown;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;

/// A data resource as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data {
    id: String,
    name: String,
    full_name: String,
    account: String,
    version: u64,
    files: u64,
    bytes: u64,
    created_on: String,
    created_by: String,
    updated_on: String,
}

/// A data resource to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewData {
    name: String,
    account: Option<String>,
}

fn shape(row: DataRow) -> Data {
    Data {
        id: row.id.to_string(),
        full_name: row.account.join(row.name.clone()).to_string(),
        name: row.name.to_string(),
        account: row.account.to_string(),
        version: row.version,
        files: row.files,
        bytes: row.bytes,
        updated_on: shown(row.updated_on),
        created_on: shown(row.created_on),
        created_by: row.created_by,
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Data>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight.views().datas(&query.scope(&caller)?, page).await?;
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
) -> Result<Json<Data>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    resolve::data(&sight, &caller, &reference)
        .await
        .map(shape)
        .map(Json)
}

pub(crate) async fn create(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Input(wanted): Input<NewData>,
) -> Result<Made<Data>, ApiError> {
    let full_name = resolve::new_name(&caller, &wanted.name, wanted.account.as_deref())?;
    let made = DataId(id.aggregate(0));
    let context = command::context(&caller, id, &headers);
    let outcome = command::execute(&state, &context, &data::create(made, &full_name)).await?;
    let row = state.views.data(made).await?;
    let row = row.ok_or_else(|| command::made_nothing(&outcome, id))?;
    command::made_as_asked(id, &row.account.join(row.name.clone()), &full_name)?;
    Ok(Made(shape(row)))
}
