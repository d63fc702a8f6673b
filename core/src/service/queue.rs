//! A service with a queue as its front end: how many workers it wants, and on what terms they work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Activated, Activation, Command, Event, HealthChanged, Job, Scaled, Service, ServiceAggregate,
    Started, Stopped,
};
use crate::aggregate::Refusal;
use crate::command::{AnyPart, Part};
use crate::ids::JobId;
use crate::job::{self, JobAggregate};
use crate::names::AccountName;
use crate::worker::{self, WorkerAggregate};

/// The most workers of one service.
pub const MAX_WORKERS: u32 = 256;
/// How long a worker may be silent where nothing else is said, in milliseconds.
pub const HEARTBEAT_TIMEOUT_MS: u64 = 10_000;
/// How long workers may go on with what they are at when they are to end, in milliseconds.
pub const STOP_TIMEOUT_MS: u64 = 30_000;
/// The shortest time after which a silent worker is given up, in milliseconds.
pub const MIN_HEARTBEAT_TIMEOUT_MS: u64 = 500;
/// The longest of all these times, in milliseconds.
pub const MAX_TIME_MS: u64 = 24 * 3600 * 1000;

/// What a service with a queue is told about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// How many workers it wants.
    pub workers: u32,
    /// How long a worker may give no sign of life, in milliseconds.
    #[serde(default = "heartbeat_timeout")]
    pub heartbeat_timeout_ms: u64,
    /// How long workers may go on with what they are at when they are to end, in milliseconds.
    #[serde(default = "stop_timeout")]
    pub stop_timeout_ms: u64,
    /// After which time with an empty queue its workers end, in milliseconds; never where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub idle_timeout_ms: Option<u64>,
}

fn heartbeat_timeout() -> u64 {
    HEARTBEAT_TIMEOUT_MS
}

fn stop_timeout() -> u64 {
    STOP_TIMEOUT_MS
}

/// The parts that bring one worker to life, and the run that it will be. No parts: it is alive.
///
/// `restart` says why, where its run before failed.
pub fn activate_worker(
    account: &AccountName,
    service: &Service,
    index: u32,
    job: &Job,
    restart: Option<worker::Restart>,
) -> Result<(Activated, Vec<Box<dyn AnyPart>>), Refusal> {
    let activation = service.worker_activation(index, job.id)?;
    let (activated, command) = match activation {
        Activation::Join(activated) => return Ok((activated, Vec::new())),
        Activation::Retry(activated) => {
            let run = activated.run;
            (activated, job::Command::Retry { run })
        }
        Activation::New(activated) => {
            let submitted = service.submitted(job, Some(index))?;
            (activated, job::Command::Submit(submitted))
        }
    };
    let (id, of_service) = (activated.job, service.created.id);
    let of_job = if activated.run == 0 {
        Part::<JobAggregate>::new(account.clone(), id, command).boxed()
    } else {
        Part::<JobAggregate>::on(account.clone(), id, command).boxed()
    };
    let worker = worker::Command::run(&service.created, index, &activated, restart);
    let parts = vec![
        Part::<WorkerAggregate>::on(account.clone(), worker::id(of_service, index), worker).boxed(),
        Part::<ServiceAggregate>::on(
            account.clone(),
            of_service,
            Command::Activate(activated.clone()),
        )
        .boxed(),
        of_job,
    ];
    Ok((activated, parts))
}

// === impl Queue ===

impl Queue {
    /// So many workers, on the usual terms.
    pub fn of(workers: u32) -> Self {
        Self {
            workers,
            heartbeat_timeout_ms: HEARTBEAT_TIMEOUT_MS,
            stop_timeout_ms: STOP_TIMEOUT_MS,
            idle_timeout_ms: None,
        }
    }

    /// Refuses what no service can have.
    pub fn check(&self) -> Result<(), Refusal> {
        check_workers(self.workers)?;
        let times = [
            (
                "heartbeat timeout",
                MIN_HEARTBEAT_TIMEOUT_MS,
                Some(self.heartbeat_timeout_ms),
            ),
            ("stop timeout", 0, Some(self.stop_timeout_ms)),
            ("idle timeout", 1, self.idle_timeout_ms),
        ];
        for (what, least, time) in times {
            if time.is_some_and(|time| !(least..=MAX_TIME_MS).contains(&time)) {
                return Err(Refusal::invalid(
                    "bad-queue",
                    format!("the {what} of a queue is {least} to {MAX_TIME_MS} milliseconds"),
                ));
            }
        }
        Ok(())
    }
}

fn check_workers(workers: u32) -> Result<(), Refusal> {
    if (1..=MAX_WORKERS).contains(&workers) {
        return Ok(());
    }
    Err(Refusal::invalid(
        "bad-queue",
        format!("a queue has 1 to {MAX_WORKERS} workers, not {workers}"),
    ))
}

// === impl Service ===

impl Service {
    /// Its queue; the refusal says that it has none.
    pub fn queue(&self) -> Result<&Queue, Refusal> {
        self.queue.as_ref().ok_or_else(|| {
            Refusal::conflict(
                "not-a-queue",
                format!(
                    "service `{}` has no queue: make one with `eai service new NAME --queue`",
                    self.created.name
                ),
            )
        })
    }

    /// Which run a worker that is wanted leads to. `new` is the id of a job that would be new.
    pub fn worker_activation(&self, index: u32, new: JobId) -> Result<Activation, Refusal> {
        self.must_be_on()?;
        if index >= self.queue()?.workers {
            return Err(Refusal::stale("so many workers are not wanted any more"));
        }
        self.activation_of(Some(index), new)
    }

    pub(super) fn scale(&self, workers: u32) -> Result<Vec<Event>, Refusal> {
        check_workers(workers)?;
        Ok(if self.queue()?.workers == workers {
            vec![]
        } else {
            vec![Event::Scaled(Scaled { workers })]
        })
    }

    /// Started twice, it would be unclear whose arguments count: so a queue that runs is stopped first.
    pub(super) fn start_again(&self) -> Result<Vec<Event>, Refusal> {
        if self.queue.is_none() {
            // What failed is tried again, with nothing held against it.
            return Ok(self
                .has_failed()
                .then_some(Event::Started(Started {}))
                .into_iter()
                .collect());
        }
        let name = &self.created.name;
        Err(Refusal::conflict(
            "already-running",
            format!(
                "service `{name}` is running already: `eai service stop {name}` stops it first"
            ),
        ))
    }

    pub(super) fn report_health(&self, health: &HealthChanged) -> Result<Vec<Event>, Refusal> {
        self.queue()?;
        Ok(if self.health.as_ref() == Some(health) {
            vec![]
        } else {
            vec![Event::HealthChanged(health.clone())]
        })
    }

    /// One that was stopped and kept its workers can still be told to let them go.
    pub(super) fn stop_again(&self, stopped: &Stopped) -> Vec<Event> {
        if self.live.is_empty() || stopped.keep_workers {
            return vec![];
        }
        vec![Event::Stopped(stopped.clone())]
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
