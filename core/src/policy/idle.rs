//! A service's job that nobody asks for: held still after half of the idle timeout, ended after the whole.
//!
//! What ends was held still before, so that no request is on its way to it: one that was has it go on again.

use std::time::Duration;

use time::OffsetDateTime;

use crate::ids::JobId;
use crate::job::Phase;
use crate::service::{Activated, Service, Status, Traffic};

/// Why a run is held still or ended that nobody asks for.
pub const IDLE: &str = "idle";
/// How long a run is held still before it ends, at least: who was just asking has it go on meanwhile.
const SETTLED: Duration = Duration::from_millis(500);

/// How a run of a service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The job.
    pub job: JobId,
    /// The run.
    pub run: u32,
    /// Where it is.
    pub phase: Phase,
    /// Whether it answers.
    pub ready: bool,
    /// Since when it is held still, if it is.
    pub frozen: Option<OffsetDateTime>,
}

/// What the platform means to do about a run that nobody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleIntent {
    /// Hold it still.
    Freeze {
        /// The job.
        job: JobId,
        /// The run.
        run: u32,
    },
    /// End it.
    Stop {
        /// The job.
        job: JobId,
        /// The run.
        run: u32,
    },
}

/// What is to be done, and when to look again if nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdlePlan {
    /// What is to be done.
    pub intents: Vec<IdleIntent>,
    /// When to look again.
    pub look_again: Option<OffsetDateTime>,
}

/// What a service's state asks for, whose runs stand so. `usual` is the platform's idle timeout.
pub fn on_idle(
    service: &Service,
    runs: &[Standing],
    usual: Duration,
    now: OffsetDateTime,
) -> IdlePlan {
    let mut plan = IdlePlan::default();
    let Traffic::Quiet(since) = service.traffic else {
        return plan;
    };
    let is_kept = service.queue.is_some() || service.terms.keeps_warm();
    if is_kept || service.status != Status::On {
        return plan;
    }
    let timeout = service.terms.idle_timeout(usual);
    let (half, whole) = (since + timeout / 2, since + timeout);
    // What is to take another one's place is waited for, and what leaves is ended by who leads requests away from it.
    let rolls = |run: &Activated| {
        let rolling = service.rollout.rolling.as_ref();
        let is_rolling =
            rolling.is_some_and(|rolling| (rolling.job, rolling.run) == (run.job, run.run));
        is_rolling || service.leaving(run.job, run.run).is_some()
    };
    let alive = |standing: &&Standing| {
        let mut live = service.live.iter();
        live.any(|run| (run.job, run.run) == (standing.job, standing.run) && !rolls(run))
    };
    for standing in runs.iter().filter(alive) {
        let Standing { job, run, .. } = *standing;
        let (due, intent) = match (standing.phase, standing.frozen) {
            // What does not answer yet is on its way to, until its time is over.
            (Phase::Running, None) if standing.ready => (half, IdleIntent::Freeze { job, run }),
            (Phase::Running, None) => (whole, IdleIntent::Freeze { job, run }),
            (Phase::Running, Some(on)) => (whole.max(on + SETTLED), IdleIntent::Stop { job, run }),
            (Phase::Queuing | Phase::Queued, _) => (whole, IdleIntent::Stop { job, run }),
            _ => continue,
        };
        if due <= now {
            plan.intents.push(intent);
        } else {
            plan.look_again = Some(plan.look_again.map_or(due, |before| before.min(due)));
        }
    }
    plan
}

#[cfg(test)]
#[path = "idle_tests.rs"]
mod tests;
