//! Services with a queue: start, stop and scale their workers, and ask how they are.
//!
//! Questions change nothing and wait for nobody: any number of observers may ask at once.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::health::{Facts, Health, StatusReply};
use eai_core::ids::ServiceId;
use eai_core::service::{Command, ServiceAggregate, Stopped};
use eai_core::spec::Runtime;
use eai_core::subject::Address;
use eai_projections::ServiceRow;
use schemars::JsonSchema;
use serde::Deserialize;

use super::extract::{Input, Key, Params, Ref};
use super::service::{Service, change};
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;
use crate::revise::{self, Place};

/// How workers are to end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StopQuery {
    /// They go on with what they do.
    #[serde(default)]
    keep_workers: bool,
    /// How long they may take to end.
    #[schemars(range(max = 86_400_000))]
    timeout_ms: Option<u64>,
}

/// How many workers are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    workers: u32,
}

pub(crate) async fn start(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Service>, ApiError> {
    let row = resolve::service(&state, &caller, &reference).await?;
    if row.queue.is_some() {
        must_have_work(&state, &row).await?;
    }
    change(state, caller, id, headers, reference, Command::Start).await
}

pub(crate) async fn stop(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Params(query): Params<StopQuery>,
) -> Result<Json<Service>, ApiError> {
    let StopQuery {
        keep_workers,
        timeout_ms,
    } = query;
    if timeout_ms.is_some_and(|time| time > eai_core::service::MAX_TIME_MS) {
        return Err(ApiError::bad_request("a stop waits for a day at most"));
    }
    let command = if keep_workers || timeout_ms.is_some() {
        Command::StopWorkers(Stopped {
            keep_workers,
            timeout_ms,
        })
    } else {
        Command::Stop
    };
    change(state, caller, id, headers, reference, command).await
}

pub(crate) async fn scale(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(Scale { workers }): Input<Scale>,
) -> Result<Json<Service>, ApiError> {
    let command = Command::Scale { workers };
    change(state, caller, id, headers, reference, command).await
}

pub(crate) async fn status(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Json<StatusReply>, ApiError> {
    let (id, facts) = facts(&state, &caller, &reference).await?;
    let mut reply = facts.status_reply();
    reply.health_path = state.queues.health_path(id);
    Ok(Json(reply))
}

pub(crate) async fn health(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Json<Health>, ApiError> {
    let (id, facts) = facts(&state, &caller, &reference).await?;
    let mut health = facts.health();
    health.path = state.queues.health_path(id);
    Ok(Json(health))
}

async fn facts(
    state: &Shared,
    caller: &Caller,
    reference: &str,
) -> Result<(ServiceId, Facts), ApiError> {
    let row = resolve::service(state, caller, reference).await?;
    let facts = state.queues.facts(row.id).map(|facts| (row.id, facts));
    facts.ok_or_else(|| {
        ApiError::conflict(
            "not-a-queue",
            format!(
                "service `{}` has no queue, and so no workers: make one with `eai service new NAME --queue`",
                row.name
            ),
        )
    })
}

/// Refuses to start workers that would have nothing to run.
async fn must_have_work(state: &Shared, row: &ServiceRow) -> Result<(), ApiError> {
    let runtime = resolve_runtime(state, row).await?;
    let (_, manifest) = runtime.state(state).await?;
    let files = state.contents.manifest(manifest).await?;
    if revise::spec(state, &files).await?.is_none() {
        return Err(nothing_to_run(row));
    }
    revise::ensure(state, row).await?;
    let address = Address::new(row.account.clone(), "service", row.id);
    let service = state.log.state::<ServiceAggregate>(&address).await?;
    let desired = service.and_then(|service| service.desired);
    let runs = desired.is_some_and(|desired| {
        let spec = desired.configuration.spec;
        spec.worker.is_some() || spec.runtime.command != Runtime::default().command
    });
    if runs {
        Ok(())
    } else {
        Err(nothing_to_run(row))
    }
}

async fn resolve_runtime(state: &Shared, row: &ServiceRow) -> Result<Place, ApiError> {
    let runtime = state.views.data(row.runtime_id).await?;
    let runtime = runtime.ok_or_else(|| {
        ApiError::not_found(format!(
            "the runtime `{}` of service `{}` is not there",
            row.runtime, row.name
        ))
    })?;
    Ok(Place::from(&runtime))
}

fn nothing_to_run(row: &ServiceRow) -> ApiError {
    let name = &row.name;
    ApiError::conflict(
        "no-worker",
        format!(
            "the workers of service `{name}` have nothing to run: push their files with \
             `eai data push {}`, and name a function with `eai service update {name} --handler module.function`",
            row.runtime
        ),
    )
}
