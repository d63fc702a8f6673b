//! What ended long ago goes: as long as the contract keeps it, and no longer.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::api::Shared;

/// How often it is looked for.
const EVERY: Duration = Duration::from_mins(1);

/// Sweeps until `stop`.
pub async fn run(platform: Shared, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = platform.purger.sweep(OffsetDateTime::now_utc()) => swept,
        };
        match swept {
            Ok(0) => {}
            Ok(tasks) => tracing::debug!(tasks, "tasks.sweep"),
            Err(error) => tracing::warn!(%error, "tasks.sweep"),
        }
    }
}
