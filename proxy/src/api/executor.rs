//! Executors: list, get, drain, undrain.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::command::Part;
use eai_core::executor::{Command, ExecutorAggregate, Standing};
use eai_core::ids::CommandId;
use eai_projections::{ExecutorRow, Reserved};
use schemars::JsonSchema;
use serde::Serialize;

use super::at::{AtQuery, Seen as _, Sight};
use super::extract::{Key, Params, Ref};
use super::list::{List, ListQuery};
use super::service::shown;
use super::verbs::verbs;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;

/// An executor as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Executor {
    id: String,
    state: Standing,
    backend: String,
    epoch: u32,
    account: String,
    capacity: Room,
    reserved: Room,
    /// How many runs it has, as the log says.
    running: u64,
    /// How long ago it was last heard, in seconds; null where it was not heard since this platform started.
    heartbeat_age: Option<f64>,
    started_on: String,
    updated_on: String,
}

/// Cores and memory.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Room {
    /// In thousandths of a core.
    cpu_milli: u64,
    mem_mib: u64,
}

fn shape(state: &Shared, sight: &Sight, row: ExecutorRow, reserved: Reserved) -> Executor {
    // When it was heard is known of now only.
    let heard = match sight {
        Sight::Now(_) => state.beats.last(row.id),
        Sight::Then(_) => None,
    };
    let age = heard.map(|heard| state.beats.age(&heard).as_secs_f64());
    Executor {
        id: row.id.to_string(),
        state: row.state,
        backend: row.backend,
        epoch: row.epoch,
        account: row.account.to_string(),
        capacity: Room {
            cpu_milli: row.cpu_milli,
            mem_mib: row.mem_mib,
        },
        reserved: Room {
            cpu_milli: reserved.cpu_milli,
            mem_mib: reserved.mem_mib,
        },
        running: reserved.runs,
        heartbeat_age: age.map(|age| (age * 10.0).round() / 10.0),
        started_on: shown(row.started_on),
        updated_on: shown(row.updated_on),
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Executor>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight
        .views()
        .executors(&query.scope(&caller)?, page)
        .await?;
    let mut reserved = sight.views().reserved().await?;
    Ok(ListQuery::seen(
        &caller,
        rows,
        &page,
        |row| row.sequence,
        |row| {
            let reserved = reserved.remove(&row.id).unwrap_or_default();
            shape(&state, &sight, row, reserved)
        },
    ))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<AtQuery>,
) -> Result<Json<Executor>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    one(&state, &sight, &caller, &reference).await
}

async fn one(
    state: &Shared,
    sight: &Sight,
    caller: &Caller,
    reference: &str,
) -> Result<Json<Executor>, ApiError> {
    let row = resolve::executor(sight, caller, reference).await?;
    let reserved = sight.views().reserved().await?.remove(&row.id);
    Ok(Json(shape(state, sight, row, reserved.unwrap_or_default())))
}

async fn change(
    state: Shared,
    caller: Caller,
    id: CommandId,
    headers: HeaderMap,
    reference: String,
    command: Command,
) -> Result<Json<Executor>, ApiError> {
    let row = resolve::executor(&state, &caller, &reference).await?;
    let context = command::essential(command::context(&caller, id, &headers));
    let part = Part::<ExecutorAggregate>::on(row.account.clone(), row.id, command).boxed();
    command::execute(&state, &context, &[part]).await?;
    one(
        &state,
        &Sight::Now(Arc::clone(&state)),
        &caller,
        &row.id.to_string(),
    )
    .await
}

verbs! {
    Executor:
    drain Drain,
    undrain Undrain,
}
