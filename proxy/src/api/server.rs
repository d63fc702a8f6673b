//! The platform about itself, and the rebuilding of its views.

use axum::Json;
use axum::extract::State;
use eai_core::ids::PlatformId;
use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiError, Shared};
use crate::auth::Caller;

/// What is known about a platform since its start.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Whose log it is.
    pub platform: PlatformId,
    /// The version of this binary.
    pub version: String,
    /// Where the platform is on the web.
    pub url: String,
    /// Where monitors connect.
    pub nats_url: String,
    /// The credentials that a monitor of the account connects with: a path.
    pub monitor_creds: String,
    /// Where everything is kept.
    pub data_directory: String,
    /// What jobs run on.
    pub backend: String,
    /// Why.
    pub backend_reason: String,
    /// The version of the NATS server.
    pub nats_version: String,
}

/// What is known about it now.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    #[serde(flatten)]
    facts: Facts,
    /// How much of the log is used.
    log_bytes: u64,
    /// How much there may be.
    log_max_bytes: u64,
    /// The last event that the views have.
    last_sequence: u64,
    /// Events that this version cannot read; null where nobody can say.
    unreadable_events: Option<u64>,
}

/// Which version it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PlatformVersion")]
pub(crate) struct Version {
    version: String,
}

/// What the views were folded from.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Rebuilt {
    /// How many events.
    events: u64,
    /// The last of them.
    sequence: u64,
}

pub(crate) async fn info(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<Server>, ApiError> {
    caller.may_here(&state.account)?;
    let (log_bytes, log_max_bytes) = state.log.usage();
    Ok(Json(Server {
        facts: state.facts.clone(),
        log_bytes,
        log_max_bytes,
        last_sequence: state.views.sequence(),
        // Views that are halted answer nothing, and what runs the platform is told all the same.
        unreadable_events: state.views.unreadable().await.ok(),
    }))
}

pub(crate) async fn version(State(state): State<Shared>) -> Json<Version> {
    Json(Version {
        version: state.facts.version.clone(),
    })
}

pub(crate) async fn rebuild(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<Rebuilt>, ApiError> {
    caller.may_here(&state.account)?;
    tracing::info!(by = %caller.actor(), "views.rebuild");
    // In a task of its own: a client that goes away does not leave it half done.
    let log = state.log.clone();
    let task = tokio::spawn(async move { state.store.rebuild(&log).await });
    let rebuilt = task.await.map_err(|error| ApiError::internal(&error))??;
    Ok(Json(Rebuilt {
        events: rebuilt.events,
        sequence: rebuilt.sequence,
    }))
}

/// A row that is not the same in the views as in a fold of the log.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Difference {
    table: String,
    row: String,
    in_views: bool,
}

/// An event that this version cannot read.
#[derive(Debug, Serialize, JsonSchema)]
struct Parked {
    sequence: u64,
    r#type: String,
    reason: String,
}

/// What a verification found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verified {
    sequence: u64,
    aggregates: u64,
    parked: Vec<Parked>,
    differences: Vec<Difference>,
}

pub(crate) async fn verify(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<Verified>, ApiError> {
    caller.may_here(&state.account)?;
    tracing::info!(by = %caller.actor(), "views.verify");
    let found = state.store.verify(&state.log).await?;
    let difference = |found: eai_projections::Difference| Difference {
        table: found.table,
        row: found.row,
        in_views: found.in_views,
    };
    let parked = |found: eai_projections::Parked| Parked {
        sequence: found.sequence,
        r#type: found.event_type,
        reason: found.reason,
    };
    Ok(Json(Verified {
        sequence: found.sequence,
        aggregates: found.aggregates,
        parked: found.parked.into_iter().map(parked).collect(),
        differences: found.differences.into_iter().map(difference).collect(),
    }))
}
