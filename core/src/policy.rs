//! Policies: what the platform does by itself, as pure functions from folded state to intents.
//!
//! An intent is carried out as a command that is refused if the state moved on, so it may be meant twice.

mod idle;
mod load;
mod queue;
mod recovery;
mod replicas;
mod rollout;

pub use idle::{IDLE, IdleIntent, IdlePlan, Standing, on_idle};
pub use load::{Asked, Load};
pub use queue::{PLANNED, Plan, WorkerIntent, on_queue};
pub use recovery::{Recovery, on_failures};
pub use replicas::{ReplicaIntent, ReplicaPlan, on_replicas};
pub use rollout::{Drains, Rolling, on_rollout};

use crate::ids::JobId;
use crate::service::{Activated, Service};

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
    /// Send no more requests to a run: there is no room for it and the next one.
    Drain {
        /// The job.
        job: JobId,
        /// The run.
        run: u32,
    },
}

/// What a service's state asks for.
///
/// A service that takes no traffic has no jobs.
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
    let stopped = stopped.map(|run| cancel(run, "service-stopped"));
    stopped.collect()
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
