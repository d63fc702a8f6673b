//! What a worker has been given, and who it is in the log of tasks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eai_core::log::tasks::Taken;
use eai_core::log::{WorkerBeat, WorkerState as Shown};
use eai_core::service::Status;
use eai_core::task::Claim;
use time::OffsetDateTime;

use super::Queues;
use super::start::Identity;
use crate::backend::WorkerState;

/// How long a worker may take to come back once the time of its task is over.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// A task that the worker has.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) taken: Taken,
    /// When its time is over.
    pub(super) deadline: Instant,
    /// It was over: the attempt has failed.
    pub(super) is_late: bool,
}

// === impl Queues ===

impl Queues {
    /// Whether workers of the service are to do something.
    pub(super) fn is_on(&self, identity: &Identity) -> bool {
        let service = self.live.service(identity.service);
        service.is_some_and(|service| service.status == Status::On)
    }

    pub(super) fn workers_wanted(&self, identity: &Identity) -> u32 {
        let service = self.live.service(identity.service);
        let queue = service.and_then(|service| service.queue.as_ref().map(|queue| queue.workers));
        queue.unwrap_or(identity.index + 1)
    }
}

impl Hand {
    pub(super) fn is(&self, id: &str, attempt: u32) -> bool {
        self.taken.attempt == attempt && self.taken.task.id.to_string() == id
    }

    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Instant {
        if self.is_late {
            self.deadline + GRACE
        } else {
            self.deadline
        }
    }
}

impl Identity {
    pub(super) fn claim(&self, incarnation: &str, claimed_at: OffsetDateTime) -> Claim {
        Claim {
            worker: self.name.clone(),
            worker_idx: self.index,
            incarnation: incarnation.to_owned(),
            job: self.job,
            claimed_at,
        }
    }

    pub(super) fn beat(&self, state: WorkerState) -> WorkerBeat {
        WorkerBeat {
            service: self.service,
            index: self.index,
            job: self.job,
            run: self.run,
            state: match state {
                WorkerState::Processing => Shown::Processing,
                WorkerState::Starting | WorkerState::Running | WorkerState::Stopped => {
                    Shown::Running
                }
            },
        }
    }
}

pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn from_micros(micros: u64) -> OffsetDateTime {
    let since = time::Duration::microseconds(i64::try_from(micros).unwrap_or(i64::MAX));
    let time = OffsetDateTime::UNIX_EPOCH.checked_add(since);
    time.unwrap_or_else(OffsetDateTime::now_utc)
}

/// How long it is until a time.
pub(super) fn until(unix_ms: u64) -> Duration {
    let time = UNIX_EPOCH + Duration::from_millis(unix_ms);
    time.duration_since(SystemTime::now()).unwrap_or_default()
}
