//! Policies: what the platform does by itself, as pure functions from folded state to intents.
//!
//! An intent is carried out as a command that is refused if the state moved on, so it may be meant twice.

mod idle;
mod queue;
mod recovery;

pub use idle::{IDLE, IdleIntent, IdlePlan, Standing, on_idle};
pub use queue::{PLANNED, Plan, WorkerIntent, on_queue};
pub use recovery::{Recovery, on_failures};

use crate::ids::JobId;
use crate::service::{Activated, Service, Status};

/// What the platform means to do about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// End a run.
    Cancel {
        /// The job.
        job: JobId,
        /// The run.
        run: u32,
        /// Why.
        reason: &'static str,
    },
    /// Start a job of the desired revision, beside the one that serves.
    Activate,
}

/// What a service's state asks for.
///
/// A service that takes no traffic has no jobs. A new revision starts while the old one serves, and the old
/// one ends when requests go to the new one. A revision whose job ended is not started again by itself.
pub fn on_service(service: &Service) -> Vec<Intent> {
    // What a queue asks for is asked of [`on_queue`]: its workers may be done with their task first.
    if service.queue.is_some() {
        return Vec::new();
    }
    let cancel = |run: &Activated, reason| Intent::Cancel {
        job: run.job,
        run: run.run,
        reason,
    };
    let stopped = service.ending.iter();
    let mut intents: Vec<_> = stopped.map(|run| cancel(run, "service-stopped")).collect();
    if service.status != Status::On {
        return intents;
    }
    let Some(desired) = &service.desired else {
        return intents;
    };
    let serves = |run: &Activated| {
        let serving = service.serving.as_ref();
        serving.is_some_and(|serving| serving.job == run.job && serving.run == run.run)
    };
    let mut live = service.live.iter();
    if live.any(|run| run.key == desired.key && serves(run)) {
        let old = service.live.iter().filter(|run| run.key != desired.key);
        intents.extend(old.map(|run| cancel(run, "superseded")));
    } else if !service.tried && !service.live.is_empty() {
        intents.push(Intent::Activate);
    }
    intents
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
