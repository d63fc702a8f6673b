//! What is known of a queue service and its workers at one moment, and what is wrong with each of them.

use std::time::Duration;

use schemars::JsonSchema;
use time::OffsetDateTime;

use crate::ids::JobId;
use crate::job::Outcome;
use crate::names::Name;
use crate::service::{Queue, Status};
use crate::worker::Condition;

/// Everything that is known of a queue service.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its name.
    pub name: Name,
    /// Whether its workers are to work.
    pub status: Status,
    /// Its queue.
    pub queue: Queue,
    /// It has nothing to do and wants no workers for now.
    pub asleep: bool,
    /// Its places: those that are wanted, and those that are not and were filled.
    pub places: Vec<Place>,
    /// Its tasks.
    pub tasks: Tasks,
    /// How many ended tasks were cleared away in the last ten minutes.
    pub cleanup: Cleanup,
    /// For how long the event log has not answered, if it does not.
    pub away: Option<Duration>,
    /// For how long every sign of life was heard.
    pub listening: Duration,
    /// The folder that tasks are taken from, if one is attached.
    pub queue_dir: Option<String>,
    /// The time.
    pub now: OffsetDateTime,
}

/// How many tasks there are in each state.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema,
)]
pub struct Tasks {
    /// They wait for a worker.
    pub pending: u64,
    /// A worker is at them.
    pub running: u64,
    /// They are done.
    pub done: u64,
    /// They failed.
    pub failed: u64,
}

/// How many things were cleared away lately.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema,
)]
pub struct Cleanup {
    /// Tasks that were done.
    pub done: u64,
    /// Tasks that had failed.
    pub failed: u64,
    /// Signs of life.
    pub heartbeats: u64,
}

/// What is known of one of a queue's places.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Which it is, counted from 0.
    pub index: u32,
    /// The worker's name.
    pub name: String,
    /// The worker that fills it, if it ever was filled.
    pub worker: Option<Worker>,
    /// The worker's last sign of life in its run, if one was heard.
    pub heartbeat: Option<Heartbeat>,
}

/// What is known of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// Its job.
    pub job: JobId,
    /// The run that it is in, or was in last.
    pub run: u32,
    /// The revision that it runs.
    pub revision: u32,
    /// What its events say.
    pub condition: Condition,
    /// Why, for people.
    pub message: String,
    /// Its last run that ended did so before it was ready.
    pub unlaunched: bool,
    /// How many runs in a row failed before this one.
    pub failures: u32,
    /// Since when its condition is so.
    pub since: OffsetDateTime,
    /// When its run was asked for.
    pub started: OffsetDateTime,
    /// When it was last replaced, and why.
    pub restarted: Option<(OffsetDateTime, String)>,
    /// Where its run is.
    pub run_is: RunIs,
}

/// Where a worker's run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunIs {
    /// It is being brought to life.
    Starting,
    /// It takes tasks, since then.
    Ready(OffsetDateTime),
    /// It was asked to end.
    Ending,
    /// It ended.
    Over(Over),
    /// Nothing is known of it yet.
    Unknown,
}

/// How a worker's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// How.
    pub outcome: Outcome,
    /// Why, for people.
    pub message: String,
    /// It was ready before.
    pub was_ready: bool,
    /// The platform wanted it to end.
    pub planned: bool,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What the worker does: `running`, `processing`.
    pub state: &'static str,
    /// How long ago it was.
    pub age: Duration,
}

// === impl Facts ===

impl Facts {
    /// How long a worker may be silent.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.queue.heartbeat_timeout_ms)
    }

    /// Whether the event log has been away for so long that nothing is known of the workers any more.
    pub fn is_closed(&self) -> bool {
        self.away.is_some_and(|away| away > self.timeout())
    }

    /// How many workers are to work now.
    pub fn wanted(&self) -> u32 {
        match self.status {
            Status::On if !self.asleep => self.queue.workers,
            Status::On | Status::Off | Status::Deactivated | Status::Deleted => 0,
        }
    }

    /// The places that are to be filled now.
    pub fn wanted_places(&self) -> impl Iterator<Item = &Place> {
        let wanted = self.wanted();
        self.places.iter().filter(move |place| place.index < wanted)
    }

    /// What is wrong with a worker at this moment, as it is shown everywhere; nothing where all is well.
    pub fn complaint(&self, place: &Place) -> Option<String> {
        let worker = place.worker.as_ref()?;
        // What was wrong first is why, until another run has its place.
        let is_over = matches!(worker.run_is, RunIs::Ending | RunIs::Over(_));
        if let Condition::Unhealthy { reason } = &worker.condition
            && (is_over || loop_state(reason).is_some())
        {
            return Some(reason.clone());
        }
        let since = match &worker.run_is {
            RunIs::Over(over) if !over.planned => return Some(over.reason()),
            RunIs::Ready(since) => *since,
            RunIs::Starting | RunIs::Ending | RunIs::Over(_) | RunIs::Unknown => return None,
        };
        let timeout = self.timeout();
        if self.listening < timeout {
            // Whoever did not listen knows no better than what was found before.
            return match &worker.condition {
                Condition::Unhealthy { reason } => Some(reason.clone()),
                Condition::Well | Condition::Stopped => None,
            };
        }
        match place.heartbeat {
            Some(heartbeat) if heartbeat.age > timeout => Some(stale(heartbeat.age)),
            Some(_) => None,
            None => {
                let warm = self.now - since >= timeout;
                warm.then(|| "missing-heartbeat".into())
            }
        }
    }

    /// Whether a worker works: it takes tasks, and nothing is wrong with it.
    pub fn works(&self, place: &Place) -> bool {
        let ready = |worker: &Worker| matches!(worker.run_is, RunIs::Ready(_));
        place.worker.as_ref().is_some_and(ready) && self.complaint(place).is_none()
    }
}

// === impl Over ===

impl Over {
    /// As it is shown everywhere.
    pub fn reason(&self) -> String {
        let state = match self.outcome {
            Outcome::Succeeded => "finished",
            Outcome::Failed => "error",
            Outcome::Cancelled => "cancelled",
            Outcome::Interrupted => "lost",
        };
        format!("{OVER}{state}")
    }
}

const OVER: &str = "loop-";

/// The state of the loop that a reason tells, if it does.
pub(super) fn loop_state(reason: &str) -> Option<&str> {
    reason.strip_prefix(OVER)
}

/// A worker that was silent for so long.
fn stale(age: Duration) -> String {
    format!("stale-heartbeat({:.1}s)", age.as_secs_f64())
}
