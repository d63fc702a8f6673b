//! The revisions of a service: what it was to run, what serves, and how to go back.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::data::Manifest;
use eai_core::job::Configuration;
use eai_core::service::{Command, ServiceAggregate, Status};
use eai_core::subject::Address;
use eai_projections::{RevisionRow, ServiceRow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::Seen as _;
use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery};
use super::service::{Service, change, shape, shown};
use super::things::IsThing as _;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;
use crate::revise::{self, Base, Edit, Place};

/// A revision as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Revision {
    #[serde(rename = "revision")]
    number: u32,
    /// `serving`, `starting`, `failed`, or nothing.
    state: &'static str,
    image: String,
    command: Vec<String>,
    runtime_version: u64,
    key: String,
    created_on: String,
    created_by: String,
    configuration: Configuration,
}

/// Where to go back to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// The revision; the one before the newest one where it is absent.
    to: Option<u32>,
}

/// What a revision ran.
struct Back {
    revision: RevisionRow,
    service: ServiceRow,
}

/// Where a service is between two revisions, and why it stays there.
pub(super) fn rollout(row: &ServiceRow) -> (&'static str, Option<String>) {
    if let Some((revision, job)) = &row.failed {
        let reason = format!(
            "revision {revision} did not come to answer, and the one before serves on: \
             `eai job log {job}` tells why; an update, a rollback or a start tries again"
        );
        return ("failed", Some(reason));
    }
    let state = match (row.serving_revision, row.revision) {
        (Some(serving), Some(newest)) if serving != newest => "starting",
        _ if row.is_leaving => "draining",
        _ => "settled",
    };
    (state, None)
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Revision>>, ApiError> {
    let sight = query.sight(&state).await?;
    let row = resolve::service(&sight, &caller, &reference).await?;
    let page = query.page()?;
    let rows = sight.views().revisions(row.id, page).await?;
    Ok(ListQuery::answer(
        rows,
        &page,
        |revision| revision.sequence,
        |revision| shaped(&row, revision),
    ))
}

fn shaped(service: &ServiceRow, row: RevisionRow) -> Revision {
    let number = row.revision;
    let failed = service.failed.as_ref().map(|(revision, _)| *revision);
    let state = match service.serving_revision {
        Some(serving) if serving == number => "serving",
        _ if failed == Some(number) => "failed",
        Some(_) if service.revision == Some(number) => "starting",
        _ => "",
    };
    let runtime = &row.configuration.spec.runtime;
    Revision {
        number,
        state,
        image: runtime.image.to_string(),
        command: runtime
            .command
            .arguments()
            .iter()
            .map(ToString::to_string)
            .collect(),
        runtime_version: row.configuration.runtime.version,
        key: row.key.to_string(),
        created_on: shown(row.created_on),
        created_by: row.created_by,
        configuration: row.configuration,
    }
}

/// Goes back: the files and the spec of an earlier revision, as a new version of the runtime.
pub(crate) async fn rollback(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(wanted): Input<Rollback>,
) -> Result<Json<Service>, ApiError> {
    let row = resolve::service(&state, &caller, &reference).await?;
    let context = command::context(&caller, id, &headers);
    let newest = row.revision.unwrap_or_default();
    let to = wanted.to.unwrap_or_else(|| newest.saturating_sub(1));
    let revision = state.views.revision(row.id, to).await?;
    let revision = revision.ok_or_else(|| {
        ApiError::not_found(format!(
            "service `{}` has no revision {to}: `eai service revisions {}` lists them",
            row.name, row.name
        ))
    })?;
    let runtime = resolve::data(&state, &caller, &row.runtime_id.to_string()).await?;
    // What is to run is written there.
    caller.must("data", "write", &runtime.thing())?;
    let place = Place::from(&runtime);
    let service = row.id.to_string();
    let back = Back {
        revision,
        service: row,
    };
    revise::change(&state, &context, Some(&caller), &place, &back).await?;
    let row = resolve::service(&state, &caller, &service).await?;
    Ok(Json(shape(&state, row)))
}

/// Runs the same anew, as an update runs something else.
pub(crate) async fn restart(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Service>, ApiError> {
    let row = resolve::service(&state, &caller, &reference).await?;
    if row.status == Status::Off {
        return change(state, caller, id, headers, reference, Command::Start).await;
    }
    let address = Address::new(row.account.clone(), "service", row.id);
    let service = state.log.state::<ServiceAggregate>(&address).await?;
    let desired = service.and_then(|service| service.desired);
    let after = desired.map_or(0, |desired| desired.revision);
    let command = Command::Restart { after };
    change(state, caller, id, headers, reference, command).await
}

// === impl Back ===

impl Edit for Back {
    async fn edit(&self, state: &Shared, _base: &Base) -> Result<Manifest, ApiError> {
        let runtime = &self.revision.configuration.runtime;
        let files = state.contents.manifest(Some(runtime.manifest)).await?;
        Ok(Manifest::clone(&files))
    }

    /// The other data stays in the versions that the revision saw.
    fn configuration(&self, service: &ServiceRow) -> Option<&Configuration> {
        (service.id == self.service.id).then_some(&self.revision.configuration)
    }
}
