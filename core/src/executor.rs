//! The aggregate `executor`: where jobs run, and since when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::ids::{ExecutorId, JobId};

/// An executor.
#[derive(Debug)]
pub struct ExecutorAggregate;

/// What an executor is, once it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// How often it started: what it said in an earlier epoch about what runs counts no more.
    pub epoch: u32,
    /// Whether it takes jobs.
    pub started: bool,
}

/// What may be asked of an executor.
#[derive(Clone, Debug)]
pub enum Command {
    /// It takes jobs from now on.
    Start(Started),
    /// It ends.
    Stop {
        /// The epoch that ends.
        epoch: u32,
    },
}

/// An executor started, and says what it found: before anything else that it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Its id.
    pub id: ExecutorId,
    /// Its epoch, counted from 1.
    pub epoch: u32,
    /// What it runs jobs with: `process`, `docker`.
    pub backend: String,
    /// The processor cores that its jobs may have, in thousandths.
    pub cpu_milli: u64,
    /// The memory that its jobs may have, in MiB.
    pub mem_mib: u64,
    /// Runs of earlier epochs that go on.
    pub adopted: Vec<Run>,
    /// Runs of earlier epochs that are no more.
    pub lost: Vec<Run>,
}

/// A run of a job under a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// The claim.
    pub claim: u32,
}

/// An executor ended; its runs may go on, to be adopted at its next start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stopped {
    /// The epoch that ended.
    pub epoch: u32,
}

events! {
    /// What can have happened to an executor.
    pub enum Event {
        /// An executor started, and says which runs it adopted and which it lost.
        Started(Started) = "started" 1,
        /// An executor ended.
        Stopped(Stopped) = "stopped" 1,
    }
}

impl Aggregate for ExecutorAggregate {
    const KIND: &'static str = "executor";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Start(started) if started.epoch == state.epoch + 1 => {
                Ok(vec![Event::Started(started.clone())])
            }
            Command::Start(_) => Err(Refusal::stale(
                "the executor was started by another process",
            )),
            Command::Stop { epoch } if state.started && *epoch == state.epoch => {
                Ok(vec![Event::Stopped(Stopped { epoch: *epoch })])
            }
            Command::Stop { .. } => Ok(vec![]),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Started(started) => State {
                epoch: started.epoch,
                started: true,
            },
            Event::Stopped(stopped) => State {
                epoch: stopped.epoch,
                started: false,
            },
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Start(_) => "started",
            Command::Stop { .. } => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;

    fn started(epoch: u32) -> Started {
        Started {
            id: ExecutorId(uuid::Uuid::from_u128(1)),
            epoch,
            backend: "process".into(),
            cpu_milli: 2000,
            mem_mib: 4096,
            adopted: vec![],
            lost: vec![],
        }
    }

    #[track_caller]
    fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
        when::<ExecutorAggregate>(given, command)
    }

    #[test]
    fn each_start_is_an_epoch() {
        let start = |epoch| Command::Start(started(epoch));
        let first = Event::Started(started(1));
        assert_eq!(decide(&[], &start(1)), Ok(vec![first.clone()]));
        assert!(decide(&[], &start(2)).unwrap_err().is_stale());
        let stopped = Event::Stopped(Stopped { epoch: 1 });
        for given in [vec![first.clone()], vec![first.clone(), stopped]] {
            assert!(decide(&given, &start(1)).unwrap_err().is_stale());
            assert_eq!(
                decide(&given, &start(2)),
                Ok(vec![Event::Started(started(2))])
            );
        }
    }

    #[test]
    fn only_the_current_epoch_stops() {
        let given = [Event::Started(started(1)), Event::Started(started(2))];
        assert_eq!(decide(&given, &Command::Stop { epoch: 1 }), Ok(vec![]));
        let stopped = Event::Stopped(Stopped { epoch: 2 });
        assert_eq!(
            decide(&given, &Command::Stop { epoch: 2 }),
            Ok(vec![stopped])
        );
    }
}
