//! The aggregate `executor`: where jobs run, and since when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::ids::{ExecutorId, JobId};

/// An executor.
#[derive(Debug)]
pub struct ExecutorAggregate;

/// What an executor is, once it started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How often it started: what it said in an earlier epoch about what runs counts no more.
    pub epoch: u32,
    /// Whether it started and did not end since.
    pub started: bool,
    /// Whether it was declared lost in this epoch: what it ran is over, whatever it says.
    pub lost: bool,
    /// Whether it takes no new jobs; that outlasts its epochs.
    pub draining: bool,
}

/// Where an executor is, as it is shown everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It takes jobs.
    Active,
    /// Its runs go on, and it takes no new ones.
    Draining,
    /// It was silent for too long: what it ran is over.
    Lost,
    /// It ended; its runs may go on until it starts again.
    Stopped,
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
    /// It was silent for too long: nobody waits for it any more.
    Lose {
        /// The epoch that is lost.
        epoch: u32,
    },
    /// It takes no new jobs.
    Drain,
    /// It takes jobs again.
    Undrain,
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

/// An executor was silent for too long: the runs of this epoch are over, and it has to start a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// The epoch that is lost.
    pub epoch: u32,
}

/// An executor takes no new jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Draining {}

/// An executor takes jobs again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Undrained {}

events! {
    /// What can have happened to an executor.
    pub enum Event {
        /// An executor started, and says which runs it adopted and which it lost.
        Started(Started) = "started" 1,
        /// An executor ended.
        Stopped(Stopped) = "stopped" 1,
        /// An executor was silent for too long: the runs of its epoch are over.
        Lost(Lost) = "lost" 1,
        /// An executor takes no new jobs; its runs go on.
        Draining(Draining) = "draining" 1,
        /// An executor takes jobs again.
        Undrained(Undrained) = "undrained" 1,
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
            Command::Lose { epoch } if *epoch == state.epoch && *epoch > 0 => {
                let lost = Event::Lost(Lost { epoch: *epoch });
                Ok((!state.lost).then_some(lost).into_iter().collect())
            }
            Command::Lose { .. } => Err(Refusal::stale("the executor is in another epoch by now")),
            Command::Drain | Command::Undrain if state.epoch == 0 => {
                Err(Refusal::not_found("there is no such executor"))
            }
            Command::Drain => {
                let draining = Event::Draining(Draining {});
                Ok((!state.draining).then_some(draining).into_iter().collect())
            }
            Command::Undrain => {
                let undrained = Event::Undrained(Undrained {});
                Ok(state.draining.then_some(undrained).into_iter().collect())
            }
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Started(started) => State {
                epoch: started.epoch,
                started: true,
                lost: false,
                ..state
            },
            Event::Stopped(stopped) => State {
                epoch: stopped.epoch,
                started: false,
                ..state
            },
            Event::Lost(lost) => State {
                epoch: lost.epoch,
                started: false,
                lost: true,
                ..state
            },
            Event::Draining(_) => State {
                draining: true,
                ..state
            },
            Event::Undrained(_) => State {
                draining: false,
                ..state
            },
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Start(_) => "started",
            Command::Stop { .. } => "stopped",
            Command::Lose { .. } => "lost",
            Command::Drain => "draining",
            Command::Undrain => "undrained",
        }
    }
}

// === impl State ===

impl State {
    /// Where it is.
    pub fn standing(&self) -> Standing {
        Standing::of(self.started, self.lost, self.draining)
    }
}

// === impl Standing ===

impl Standing {
    /// From what is known of an executor.
    pub fn of(started: bool, lost: bool, draining: bool) -> Self {
        match (lost, started, draining) {
            (true, ..) => Self::Lost,
            (false, false, _) => Self::Stopped,
            (false, true, true) => Self::Draining,
            (false, true, false) => Self::Active,
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Lost => "lost",
            Self::Stopped => "stopped",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::{fold, when};

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

    #[test]
    fn only_the_current_epoch_is_lost_and_only_once() {
        let given = [Event::Started(started(1)), Event::Started(started(2))];
        let lose = |epoch| Command::Lose { epoch };
        for epoch in [0, 1, 3] {
            assert!(decide(&given, &lose(epoch)).unwrap_err().is_stale());
        }
        let lost = Event::Lost(Lost { epoch: 2 });
        assert_eq!(decide(&given, &lose(2)), Ok(vec![lost.clone()]));
        let given = [given.to_vec(), vec![lost]].concat();
        assert_eq!(decide(&given, &lose(2)), Ok(vec![]));
        assert_eq!(decide(&given, &Command::Stop { epoch: 2 }), Ok(vec![]));
        let again = Event::Started(started(3));
        assert_eq!(decide(&given, &Command::Start(started(3))), Ok(vec![again]));
        assert!(decide(&[], &lose(0)).unwrap_err().is_stale());
    }

    #[test]
    fn one_that_stopped_may_be_lost() {
        let stopped = Event::Stopped(Stopped { epoch: 1 });
        let given = [Event::Started(started(1)), stopped];
        let lost = Event::Lost(Lost { epoch: 1 });
        assert_eq!(decide(&given, &Command::Lose { epoch: 1 }), Ok(vec![lost]));
    }

    #[test]
    fn draining_outlasts_a_start_and_repeats_as_nothing() {
        assert!(decide(&[], &Command::Drain).is_err());
        let draining = Event::Draining(Draining {});
        let mut given = vec![Event::Started(started(1))];
        assert_eq!(decide(&given, &Command::Undrain), Ok(vec![]));
        assert_eq!(decide(&given, &Command::Drain), Ok(vec![draining.clone()]));
        given.extend([draining, Event::Lost(Lost { epoch: 1 })]);
        let lost = fold::<ExecutorAggregate>(&given);
        assert_eq!(lost.standing(), Standing::Lost);
        given.push(Event::Started(started(2)));
        assert_eq!(decide(&given, &Command::Drain), Ok(vec![]));
        let now = fold::<ExecutorAggregate>(&given);
        assert_eq!(now.standing(), Standing::Draining);
        let undrained = Event::Undrained(Undrained {});
        assert_eq!(
            decide(&given, &Command::Undrain),
            Ok(vec![undrained.clone()])
        );
        given.push(undrained);
        let now = fold::<ExecutorAggregate>(&given);
        assert_eq!(now.standing(), Standing::Active);
    }
}
