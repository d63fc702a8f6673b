//! Executors that are lost and come back, over random histories: whatever they say late changes nothing, each run
//! ends once, and none is current at two of them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use eai_core::aggregate::{Aggregate, Refusal};
use eai_core::digest::Digest;
use eai_core::executor::{self, ExecutorAggregate, Run};
use eai_core::ids::{AccountId, DataId, ExecutorId, JobId};
use eai_core::job::{
    Claimed, Command, Configuration, DataVersion, Ended, Endpoint, Event, Job, JobAggregate,
    Outcome, Phase, Phases, Ready, Started, Submitted, Unready,
};
use eai_core::spec::Spec;
use proptest::prelude::*;
use uuid::Uuid;

const JOBS: usize = 2;
const EXECUTORS: usize = 2;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// An executor takes a job.
    Claim(usize, usize),
    /// It goes on with what it thinks is its own.
    Say(usize, usize, u8),
    /// It is declared lost.
    Lose(usize),
    /// It hears of that, and begins anew.
    BeginAnew(usize),
    /// Policies give up what a lost executor had.
    Interrupt,
    Cancel(usize),
    Retry(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (jobs, executors) = (0..JOBS, 0..EXECUTORS);
    prop_oneof![
        6 => (executors.clone(), jobs.clone()).prop_map(|(at, job)| Step::Claim(at, job)),
        9 => (executors.clone(), jobs.clone(), 0..4_u8).prop_map(|(at, job, what)| Step::Say(at, job, what)),
        2 => executors.clone().prop_map(Step::Lose),
        3 => executors.prop_map(Step::BeginAnew),
        4 => Just(Step::Interrupt),
        1 => jobs.clone().prop_map(Step::Cancel),
        3 => jobs.prop_map(Step::Retry),
    ]
}

/// An executor: what the log has of it, and what it believes.
#[derive(Debug, Default)]
struct Executor {
    state: executor::State,
    epoch: u32,
    held: BTreeMap<usize, Run>,
}

#[derive(Debug)]
struct World {
    jobs: Vec<Job>,
    executors: Vec<Executor>,
    /// In which epoch of whom each claim is now.
    epochs: BTreeMap<(usize, u32), (usize, u32)>,
    ended: BTreeSet<(usize, u32)>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            jobs: (0..JOBS).map(submitted).collect(),
            executors: (0..EXECUTORS).map(|_| Executor::default()).collect(),
            epochs: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        (0..EXECUTORS).for_each(|at| world.begin_anew(at));
        world
    }

    fn on_job(&mut self, at: usize, command: &Command) -> Result<usize, Refusal> {
        let state = Some(self.jobs[at].clone());
        let events = JobAggregate::decide(&state, command)?;
        for event in &events {
            if let Event::Ended(ended) = event {
                assert!(self.ended.insert((at, ended.run)), "a run ended twice");
            }
        }
        let state = events.iter().fold(state, JobAggregate::evolve);
        self.jobs[at] = state.unwrap();
        Ok(events.len())
    }

    fn on_executor(&mut self, at: usize, command: &executor::Command) -> Result<(), Refusal> {
        let before = self.executors[at].state.clone();
        let events = ExecutorAggregate::decide(&before, command)?;
        self.executors[at].state = events.iter().fold(before, ExecutorAggregate::evolve);
        Ok(())
    }

    /// Whether a run is the one that the log has, under its claim.
    fn is_current(&self, at: usize, run: Run) -> bool {
        let claim = self.jobs[at].claim.as_ref();
        claim.is_some_and(|claim| claim.run == run.run && claim.claim == run.claim)
    }

    fn claim(&mut self, by: usize, at: usize) {
        let job = &self.jobs[at];
        let run = Run {
            job: job.submitted.id,
            run: job.run,
            claim: job.claims + 1,
        };
        let epoch = self.executors[by].epoch;
        let claim = Command::Claim(Claimed {
            run: run.run,
            claim: run.claim,
            executor: id(by),
            epoch,
        });
        if self.executors[by].held.contains_key(&at) || self.on_job(at, &claim).is_err() {
            return;
        }
        self.executors[by].held.insert(at, run);
        self.epochs.insert((at, run.claim), (by, epoch));
    }

    fn say(&mut self, by: usize, at: usize, what: u8) {
        let Some(run) = self.executors[by].held.get(&at).copied() else {
            return;
        };
        let current = self.is_current(at, run);
        let outcome = self.jobs[at].outcome(Outcome::Succeeded);
        let said = self.on_job(at, &word(run, what, outcome));
        if current {
            said.unwrap();
        } else {
            assert!(said.is_err(), "a claim that is over was believed");
        }
        if what == 3 || !current {
            self.executors[by].held.remove(&at);
        }
    }

    /// What the log leaves to it goes on in the new epoch; the rest is over.
    fn begin_anew(&mut self, at: usize) {
        let executor = &self.executors[at];
        if executor.epoch > 0 && !executor.state.lost {
            return;
        }
        let epoch = executor.state.epoch + 1;
        let held = executor.held.clone();
        let mine: BTreeMap<_, _> = held
            .into_iter()
            .filter(|(job, run)| self.is_current(*job, *run))
            .collect();
        let started = executor::Started {
            id: id(at),
            epoch,
            backend: "process".into(),
            cpu_milli: 1,
            mem_mib: 1,
            adopted: mine.values().copied().collect(),
            lost: vec![],
        };
        self.on_executor(at, &executor::Command::Start(started))
            .unwrap();
        for (job, run) in &mine {
            self.epochs.insert((*job, run.claim), (at, epoch));
        }
        self.executors[at].epoch = epoch;
        self.executors[at].held = mine;
    }

    fn interrupt(&mut self) {
        for at in 0..JOBS {
            let Some(claim) = self.jobs[at].claim.clone() else {
                continue;
            };
            let (by, epoch) = self.epochs[&(at, claim.claim)];
            let now = &self.executors[by].state;
            if now.epoch > epoch || now.lost {
                let run = Run {
                    job: self.jobs[at].submitted.id,
                    run: claim.run,
                    claim: claim.claim,
                };
                let outcome = self.jobs[at].outcome(Outcome::Interrupted);
                assert_eq!(self.on_job(at, &word(run, 3, outcome)), Ok(1));
            }
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Claim(by, at) => self.claim(by, at),
            Step::Say(by, at, what) => self.say(by, at, what),
            Step::Lose(at) => {
                let epoch = self.executors[at].epoch;
                drop(self.on_executor(at, &executor::Command::Lose { epoch }));
            }
            Step::BeginAnew(at) => self.begin_anew(at),
            Step::Interrupt => self.interrupt(),
            Step::Cancel(at) => {
                let cancel = Command::Cancel {
                    run: self.jobs[at].run,
                    reason: "killed".into(),
                };
                drop(self.on_job(at, &cancel));
            }
            Step::Retry(at) => {
                let run = self.jobs[at].run + 1;
                drop(self.on_job(at, &Command::Retry { run }));
            }
        }
    }

    /// How many executors hold the run of a job that the log has.
    fn holders(&self, at: usize) -> usize {
        let held = self.executors.iter().filter_map(|one| one.held.get(&at));
        held.filter(|run| self.is_current(at, **run)).count()
    }
}

fn id(at: usize) -> ExecutorId {
    ExecutorId(Uuid::from_u128(50 + at as u128))
}

fn submitted(at: usize) -> Job {
    let configuration = Configuration {
        spec: Spec::default(),
        runtime: DataVersion {
            data: DataId(Uuid::from_u128(2)),
            version: 1,
            manifest: Digest::ZERO,
        },
        mounts: Vec::new(),
    };
    let submitted = Submitted {
        id: JobId(Uuid::from_u128(10 + at as u128)),
        name: None,
        service: None,
        configuration: Box::new(configuration),
        account_id: AccountId(Uuid::from_u128(3)),
        user: None,
    };
    JobAggregate::evolve(None, &Event::Submitted(submitted)).unwrap()
}

/// What may be said of a run under its claim.
fn word(run: Run, what: u8, state: Outcome) -> Command {
    let Run { run, claim, .. } = run;
    match what {
        0 => Command::Start(Started {
            run,
            claim,
            backend: "process".into(),
            endpoint: Endpoint::Unix(Path::new("/x").into()),
            limits: "rlimit".into(),
            network: "none".into(),
            image_ignored: true,
            image: None,
        }),
        1 => Command::Ready(Ready {
            run,
            claim,
            phases: Phases::default(),
        }),
        2 => Command::Unready(Unready {
            run,
            claim,
            reason: "refused".into(),
        }),
        _ => Command::End(Ended {
            run,
            claim: Some(claim),
            state,
            reason: "exit".into(),
            message: String::new(),
            exit_code: None,
            signal: None,
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_run_is_current_at_one_executor_and_ends_once(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            for at in 0..JOBS {
                prop_assert!(world.holders(at) <= 1, "two hold {at}: {world:?}");
            }
        }
        // Left alone, what lost executors had is given up, and somebody else may have it.
        for at in 0..EXECUTORS {
            world.take(&Step::Lose(at));
        }
        world.interrupt();
        for at in 0..JOBS {
            prop_assert!(world.jobs[at].claim.is_none());
            prop_assert_eq!(world.holders(at), 0);
            if world.jobs[at].phase != Phase::Queuing {
                world.take(&Step::Retry(at));
            }
        }
        for at in 0..EXECUTORS {
            world.begin_anew(at);
            prop_assert!(world.executors[at].held.is_empty());
        }
        for at in 0..JOBS {
            world.claim(at, at);
            let claimed = world.jobs[at].phase;
            let over = claimed == Phase::Succeeded;
            prop_assert!(over || world.holders(at) == 1, "{:?}", world.jobs[at]);
        }
    }
}
