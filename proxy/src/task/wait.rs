//! Waiting for the end of a task.

use std::sync::Arc;
use std::time::Duration;

use eai_core::log::live::until;
use eai_core::log::tasks::LiveTask;

use crate::api::{Shared, stopping};

/// The task once it ended, or as it is when the time is over or the platform stops.
pub(crate) async fn ended(state: &Shared, task: Arc<LiveTask>, most: Duration) -> Arc<LiveTask> {
    if task.phase.is_ended() || most.is_zero() {
        return task;
    }
    let changed = state.tasks.changed(task.service.id);
    let ended = until(&changed, || {
        // What was removed ended before.
        let now = state.tasks.get(task.id)?;
        now.phase.is_ended().then_some(now)
    });
    let mut readiness = state.readiness.clone();
    tokio::select! {
        ended = ended => ended,
        () = tokio::time::sleep(most) => state.tasks.get(task.id).unwrap_or(task),
        () = stopping(&mut readiness) => state.tasks.get(task.id).unwrap_or(task),
    }
}
