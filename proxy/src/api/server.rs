//! The platform about itself, and the rebuilding of its views.

use axum::Json;
use axum::extract::State;
use eai_core::ids::PlatformId;
use serde::Serialize;
use serde_json::{Value, json};

use super::{ApiError, Shared};
use crate::auth::Caller;

/// What is known about a platform since its start.
#[derive(Clone, Debug, Serialize)]
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

pub(crate) async fn info(
    State(state): State<Shared>,
    _caller: Caller,
) -> Result<Json<Value>, ApiError> {
    let mut info =
        serde_json::to_value(&state.facts).map_err(|error| ApiError::internal(&error))?;
    let (used, most) = state.log.usage();
    info["logBytes"] = used.into();
    info["logMaxBytes"] = most.into();
    info["lastSequence"] = state.views.sequence().into();
    Ok(Json(info))
}

pub(crate) async fn version(State(state): State<Shared>) -> Json<Value> {
    Json(json!({ "version": state.facts.version }))
}

pub(crate) async fn rebuild(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<Value>, ApiError> {
    tracing::info!(user = %caller.user, "views.rebuild");
    // In a task of its own: a client that goes away does not leave it half done.
    let log = state.log.clone();
    let task = tokio::spawn(async move { state.store.rebuild(&log).await });
    let rebuilt = task.await.map_err(|error| ApiError::internal(&error))??;
    Ok(Json(
        json!({ "events": rebuilt.events, "sequence": rebuilt.sequence }),
    ))
}
