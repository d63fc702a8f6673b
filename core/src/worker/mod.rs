//! The aggregate `worker`: one place in a queue service, filled by one run after the other.
//!
//! It remembers what became of the runs, which the service doesn't; it decides nothing about when the next one starts.

mod event;

pub use event::{Event, Recovered, Restarted, Started, Stopped, Unhealthy};

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal};
use crate::ids::{JobId, ServiceId};
use crate::names::Name;
use crate::service::{Activated, Created};

/// A worker.
#[derive(Debug)]
pub struct WorkerAggregate;

/// A worker, once it started.
pub type State = Option<Worker>;

/// A worker that started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its job.
    pub job: JobId,
    /// The run that it is in, or was in last.
    pub run: u32,
    /// How it is.
    pub condition: Condition,
    /// How many runs in a row failed before this one.
    pub failures: u32,
}

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Nothing is wrong with it.
    Well,
    /// Something is.
    Unhealthy {
        /// What, as shown everywhere: `loop-error`, `stale-heartbeat(5.1s)`.
        reason: String,
    },
    /// It ended as it was asked to.
    Stopped,
}

/// Why a worker starts anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// What was wrong.
    pub reason: String,
    /// How many runs in a row failed by now.
    pub failures: u32,
}

/// What may be asked of a worker. Everything names the run: what comes late meets another one, and is refused.
#[derive(Clone, Debug)]
pub enum Command {
    /// It works in this run from now on.
    Start(Started),
    /// It works in this run from now on, since the one before failed.
    Restart(Restarted),
    /// Something is wrong with it.
    Fail(Unhealthy),
    /// Nothing is wrong with it any more.
    Recover(Recovered),
    /// It ended as it was asked to.
    Stop(Stopped),
}

/// The id of a worker: `<service id>-<index>`.
pub fn id(service: ServiceId, index: u32) -> String {
    format!("{service}-{index}")
}

/// The service and index that an id names.
pub fn parse_id(id: &str) -> Option<(ServiceId, u32)> {
    let (service, index) = id.rsplit_once('-')?;
    Some((service.parse().ok()?, index.parse().ok()?))
}

/// The name of a worker, as users see it: `<service name>:<index>`.
pub fn name(service: &Name, index: u32) -> String {
    format!("{service}:{index}")
}

// === impl Command ===

impl Command {
    /// A worker works in a run that was asked for.
    pub fn run(
        service: &Created,
        index: u32,
        activated: &Activated,
        restart: Option<Restart>,
    ) -> Self {
        let Activated {
            job, run, revision, ..
        } = *activated;
        match restart {
            None => Self::Start(Started {
                service: service.id,
                index,
                name: name(&service.name, index),
                job,
                run,
                revision,
            }),
            Some(Restart { reason, failures }) => Self::Restart(Restarted {
                job,
                run,
                revision,
                reason,
                failures,
            }),
        }
    }
}

// === impl Worker ===

impl Worker {
    fn is_in(&self, job: JobId, run: u32) -> bool {
        self.job == job && self.run == run
    }

    /// Refuses news of a run that is not its own any more.
    fn must_be_in(&self, job: JobId, run: u32) -> Result<(), Refusal> {
        if self.is_in(job, run) {
            return Ok(());
        }
        Err(Refusal::stale("the worker is in another run by now"))
    }
}

impl Aggregate for WorkerAggregate {
    const KIND: &'static str = "worker";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let worker = match (command, state) {
            (Command::Start(started), None) => return Ok(vec![Event::Started(started.clone())]),
            (_, None) => return Err(Refusal::not_found("there is no such worker")),
            (_, Some(worker)) => worker,
        };
        let well = worker.condition == Condition::Well;
        let stopped = worker.condition == Condition::Stopped;
        Ok(match command {
            Command::Start(started) if worker.is_in(started.job, started.run) => vec![],
            Command::Start(started) => vec![Event::Started(started.clone())],
            Command::Restart(restarted) if worker.is_in(restarted.job, restarted.run) => vec![],
            Command::Restart(restarted) => vec![Event::Restarted(restarted.clone())],
            Command::Fail(unhealthy) => {
                worker.must_be_in(unhealthy.job, unhealthy.run)?;
                // What is wrong first is why: that it ended after that is no news.
                if well {
                    vec![Event::Unhealthy(unhealthy.clone())]
                } else {
                    vec![]
                }
            }
            Command::Recover(recovered) => {
                worker.must_be_in(recovered.job, recovered.run)?;
                if well || stopped {
                    vec![]
                } else {
                    vec![Event::Recovered(recovered.clone())]
                }
            }
            Command::Stop(ended) => {
                worker.must_be_in(ended.job, ended.run)?;
                if stopped {
                    vec![]
                } else {
                    vec![Event::Stopped(ended.clone())]
                }
            }
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        let run = |job, run, failures| {
            Some(Worker {
                job,
                run,
                condition: Condition::Well,
                failures,
            })
        };
        let condition = |state: State, condition| {
            state.map(|worker| Worker {
                condition,
                ..worker
            })
        };
        match event {
            Event::Started(started) => run(started.job, started.run, 0),
            Event::Restarted(restarted) => run(restarted.job, restarted.run, restarted.failures),
            Event::Unhealthy(unhealthy) => {
                let reason = unhealthy.reason.clone();
                condition(state, Condition::Unhealthy { reason })
            }
            Event::Recovered(_) => condition(state, Condition::Well),
            Event::Stopped(_) => condition(state, Condition::Stopped),
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Start(_) => "started",
            Command::Restart(_) => "restarted",
            Command::Fail(_) => "unhealthy",
            Command::Recover(_) => "recovered",
            Command::Stop(_) => "stopped",
        }
    }
}

#[cfg(test)]
mod tests;
