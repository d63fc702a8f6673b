//! The whole log, whoever's events are in it: for whoever the platform belongs to.

use axum::Json;
use axum::extract::State;
use eai_core::log::{Position, Recorded, export};
use eai_core::subject::ALL_EVENTS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::event::{MOST, placed};
use super::extract::Params;
use super::list::limit;
use super::{ApiError, Shared};
use crate::auth::Caller;

/// What of the log is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WholeLogQuery {
    /// The first sequence; 1 if absent.
    since: Option<u64>,
    /// The last one.
    until: Option<u64>,
    limit: Option<u32>,
}

/// Events in their order, without a gap.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogPage {
    /// Each with its `sequence`, and as an export has it: the stored document, or what is parked in its place.
    #[schemars(with = "Vec<Map<String, Value>>")]
    items: Vec<Box<RawValue>>,
    /// Where the log ends.
    last_sequence: u64,
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<WholeLogQuery>,
) -> Result<Json<LogPage>, ApiError> {
    caller.may_here(&state.account)?;
    let most = limit("limit", query.limit, MOST)? as usize;
    // Bulk goes over a connection of its own.
    let log = &state.followers;
    let last_sequence = log.last_sequence().await?;
    let since = query.since.unwrap_or(1).max(1);
    let until = query.until.unwrap_or(u64::MAX);
    let mut items = Vec::new();
    if since <= until.min(last_sequence) {
        let (events, _) = log
            .page(ALL_EVENTS, Position::Sequence(since), most)
            .await?;
        let asked = events.iter().filter(|event| event.sequence <= until);
        let placed = |event: &Recorded| placed(event.sequence, &export::line(event));
        items = asked.map(placed).collect::<Result<_, _>>()?;
    }
    Ok(Json(LogPage {
        items,
        last_sequence,
    }))
}
