//! Services and their jobs together, over random histories: one live run for each configuration, none that
//! the service does not know of, and none left once it is stopped.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use eai_core::aggregate::{Aggregate, Refusal};
use eai_core::command::{AnyPart, AnyState, Folded, Part};
use eai_core::digest::Digest;
use eai_core::executor::Run;
use eai_core::ids::{AccountId, DataId, ExecutorId, JobId, RoleId, ServiceId};
use eai_core::job::{
    self, Claimed, Configuration, DataVersion, Ended, Endpoint, Job, JobAggregate, Outcome, Phase,
    Phases, Ready, Started,
};
use eai_core::names::AccountName;
use eai_core::policy::{self, Intent};
use eai_core::service::{
    self, Activated, Created, Resource, Service, ServiceAggregate, Status, Switched, Terms,
};
use eai_core::spec::Spec;
use eai_core::subject::Address;
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

const SERVICE: ServiceId = ServiceId(Uuid::from_u128(1));
const LATER: OffsetDateTime = time::macros::datetime!(2026-01-01 00:00 UTC);

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A request comes.
    Request,
    /// Other files are pushed.
    Revise(u8),
    /// The same is to run anew.
    Restart,
    /// A run that leaves is done with its requests.
    Drained(usize),
    Stop,
    Start,
    Deactivate,
    Reactivate,
    /// Someone ends a job.
    Kill(usize),
    /// An executor goes one step on with a job.
    Execute(usize),
    /// A command exits.
    Exit(usize, Outcome),
    /// An executor says something about an earlier claim.
    Late(usize),
    /// Policies look.
    Policies,
}

fn step() -> impl Strategy<Value = Step> {
    use Outcome::{Failed, Interrupted, Succeeded};
    prop_oneof![
        6 => Just(Step::Request),
        2 => (0..3_u8).prop_map(Step::Revise),
        1 => Just(Step::Restart),
        3 => (0..8_usize).prop_map(Step::Drained),
        1 => Just(Step::Stop),
        2 => Just(Step::Start),
        1 => Just(Step::Deactivate),
        1 => Just(Step::Reactivate),
        1 => (0..8_usize).prop_map(Step::Kill),
        9 => (0..8_usize).prop_map(Step::Execute),
        2 => (0..8_usize, prop::sample::select(vec![Succeeded, Failed, Interrupted]))
            .prop_map(|(at, outcome)| Step::Exit(at, outcome)),
        1 => (0..8_usize).prop_map(Step::Late),
        5 => Just(Step::Policies),
    ]
}

/// A log in memory that stores all parts of a command or none.
#[derive(Debug)]
struct World {
    states: HashMap<Address, Box<dyn AnyState>>,
    jobs: Vec<JobId>,
    /// How often each run was begun.
    begun: BTreeMap<(JobId, u32), u32>,
    next: u128,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            states: HashMap::new(),
            jobs: Vec::new(),
            begun: BTreeMap::new(),
            next: 100,
        };
        let full_name = "snow.testacc.web".parse().unwrap();
        let created = Created {
            id: SERVICE,
            name: "web".parse().unwrap(),
            runtime: Resource {
                id: DataId(Uuid::from_u128(2)),
                full_name,
            },
            role: Resource {
                id: RoleId(Uuid::from_u128(3)),
                full_name: "snow.testacc.role".parse().unwrap(),
            },
            status: Status::On,
            public: false,
            queue: None,
            terms: Terms::default(),
        };
        world.on_service(service::Command::Create(created)).unwrap();
        world.revise(0);
        world
    }

    fn execute(&mut self, parts: &[Box<dyn AnyPart>]) -> Result<(), Refusal> {
        let mut decided = Vec::new();
        for part in parts {
            let address = part.address().clone();
            let state = self
                .states
                .entry(address.clone())
                .or_insert_with(|| part.initial());
            decided.push((address, part.decide(state.as_ref())?));
        }
        for (address, events) in decided {
            let state = self.states.get_mut(&address).unwrap();
            for event in events {
                state.apply(event.event_type, event.data.get()).unwrap();
            }
        }
        Ok(())
    }

    fn on_service(&mut self, command: service::Command) -> Result<(), Refusal> {
        self.execute(&[Part::<ServiceAggregate>::on(account(), SERVICE, command).boxed()])
    }

    fn on_job(&mut self, id: JobId, command: job::Command) -> Result<(), Refusal> {
        self.execute(&[Part::<JobAggregate>::on(account(), id, command).boxed()])
    }

    fn state<A: Aggregate>(&self, id: impl std::fmt::Display) -> A::State {
        let state = self.states.get(&Address::new(account(), A::KIND, id));
        let folded = state.and_then(|state| state.as_any().downcast_ref::<Folded<A>>());
        folded.map(|folded| folded.0.clone()).unwrap_or_default()
    }

    fn service(&self) -> Service {
        self.state::<ServiceAggregate>(SERVICE).unwrap()
    }

    fn job(&self, id: JobId) -> Job {
        self.state::<JobAggregate>(id).unwrap()
    }

    fn pick(&self, at: usize) -> Option<Job> {
        let id = self.jobs.get(at % self.jobs.len().max(1))?;
        Some(self.job(*id))
    }

    fn revise(&mut self, content: u8) {
        let configuration = Configuration {
            spec: Spec::default(),
            runtime: DataVersion {
                data: DataId(Uuid::from_u128(2)),
                version: 1,
                manifest: Digest::of(&[content]),
            },
            mounts: Vec::new(),
        };
        self.on_service(service::Command::Revise(Box::new(configuration)))
            .unwrap();
    }

    /// A request, or a policy, wants a live job.
    fn activate(&mut self) -> Result<Activated, Refusal> {
        self.next += 1;
        let job = service::Job {
            id: JobId(Uuid::from_u128(self.next)),
            account_id: AccountId(Uuid::from_u128(5)),
            user: None,
            by_itself: false,
            // Long after every failure.
            now: LATER,
        };
        let before = self.service();
        let (run, parts) = service::activate(&account(), &before, &job)?;
        self.execute(&parts)?;
        // Another proxy that decided on the same state at the same time.
        let rival = service::Job {
            id: JobId(Uuid::from_u128(self.next + 1_000_000)),
            ..job
        };
        let (_, parts) = service::activate(&account(), &before, &rival)?;
        // It comes too late, or asks for the very run that there is by now.
        if let Err(refused) = self.execute(&parts) {
            assert!(refused.is_stale(), "{refused:?}");
        }
        if !self.jobs.contains(&run.job) {
            self.jobs.push(run.job);
        }
        Ok(run)
    }

    fn execute_job(&mut self, job: &Job) {
        let id = job.submitted.id;
        let run = job.run;
        let claim = job.claims;
        let command = match job.phase {
            Phase::Queuing => job::Command::Claim(Claimed {
                run,
                claim: claim + 1,
                executor: ExecutorId(Uuid::from_u128(9)),
                epoch: 1,
            }),
            Phase::Queued => job::Command::Start(Started {
                run,
                claim,
                backend: "process".into(),
                endpoint: Endpoint::Unix(Path::new("/x").into()),
                limits: "rlimit".into(),
                network: "none".into(),
                image: None,
                image_ignored: true,
            }),
            Phase::Running if !job.ready => job::Command::Ready(Ready {
                run,
                claim,
                phases: Phases::default(),
            }),
            Phase::Cancelling => return self.end(job, Outcome::Failed),
            _ => return,
        };
        if let job::Command::Start(_) = command {
            *self.begun.entry((id, run)).or_default() += 1;
        }
        self.on_job(id, command).unwrap();
    }

    fn end(&mut self, job: &Job, state: Outcome) {
        let claim = job.claim.as_ref().map(|claim| claim.claim);
        if !matches!(
            job.phase,
            Phase::Queued | Phase::Running | Phase::Cancelling
        ) {
            return;
        }
        let ended = ended(job.run, claim, state);
        self.execute(&job::end(
            &account(),
            job,
            ended,
            (OffsetDateTime::UNIX_EPOCH, false),
        ))
        .unwrap();
    }

    /// What the controller does, and what it does again.
    fn policies(&mut self) {
        for _ in 0..2 {
            for id in self.jobs.clone() {
                let job = self.job(id);
                if job.ready {
                    let switched = Switched {
                        job: id,
                        run: job.run,
                        revision: None,
                        drain_ms: Some(5),
                    };
                    drop(self.on_service(service::Command::Switch(switched)));
                }
            }
            let drains = policy::Drains {
                now: OffsetDateTime::UNIX_EPOCH,
                until: Vec::new(),
                no_room: self.next.is_multiple_of(3),
            };
            let service = self.service();
            let rolling = policy::on_rollout(&service, &drains).intents;
            for intent in policy::on_service(&service).into_iter().chain(rolling) {
                match intent {
                    Intent::Cancel { job, run, reason } => {
                        let state = self.job(job);
                        if let Ok(parts) = job::cancel(&account(), &state, run, reason) {
                            drop(self.execute(&parts));
                        }
                    }
                    Intent::Activate => drop(self.activate()),
                    Intent::Drain { job, run } => {
                        let draining = service::Draining {
                            job,
                            run,
                            drain_ms: 5,
                        };
                        drop(self.on_service(service::Command::Drain(draining)));
                    }
                }
            }
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Request => drop(self.activate()),
            Step::Revise(content) => self.revise(*content),
            Step::Restart => {
                let after = self.service().desired.unwrap().revision;
                drop(self.on_service(service::Command::Restart { after }));
            }
            Step::Drained(at) => {
                if let Some(job) = self.pick(*at) {
                    let (job, run) = (job.submitted.id, job.run);
                    let drained = service::Drained { job, run, cut: 0 };
                    drop(self.on_service(service::Command::Drained(drained)));
                }
            }
            Step::Stop => drop(self.on_service(service::Command::Stop)),
            Step::Start => drop(self.on_service(service::Command::Start)),
            Step::Deactivate => drop(self.on_service(service::Command::Deactivate)),
            Step::Reactivate => drop(self.on_service(service::Command::Reactivate)),
            Step::Kill(at) => {
                if let Some(job) = self.pick(*at)
                    && let Ok(parts) = job::cancel(&account(), &job, job.run, "killed")
                {
                    drop(self.execute(&parts));
                }
            }
            Step::Execute(at) => {
                if let Some(job) = self.pick(*at) {
                    self.execute_job(&job);
                }
            }
            Step::Exit(at, outcome) => {
                if let Some(job) = self.pick(*at) {
                    self.end(&job, *outcome);
                }
            }
            Step::Late(at) => {
                if let Some(job) = self.pick(*at).filter(|job| job.claims > 1) {
                    let late = ended(job.run, Some(job.claims - 1), Outcome::Failed);
                    let parts =
                        job::end(&account(), &job, late, (OffsetDateTime::UNIX_EPOCH, false));
                    assert!(
                        self.execute(&parts).is_err(),
                        "an older claim ended the run"
                    );
                }
            }
            Step::Policies => self.policies(),
        }
    }

    /// The runs that are alive, by the jobs themselves.
    fn alive(&self) -> Vec<Run> {
        let mut alive: Vec<_> = self
            .jobs
            .iter()
            .map(|id| self.job(*id))
            .filter(|job| job.phase.is_alive())
            .map(|job| Run {
                job: job.submitted.id,
                run: job.run,
                claim: 0,
            })
            .collect();
        alive.sort_unstable_by_key(|run| run.job);
        alive
    }
}

fn account() -> AccountName {
    "snow.testacc".parse().unwrap()
}

fn ended(run: u32, claim: Option<u32>, state: Outcome) -> Ended {
    Ended {
        run,
        claim,
        state,
        reason: "exit".into(),
        message: String::new(),
        exit_code: None,
        signal: None,
    }
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let service = world.service();
    let mut known: Vec<_> = service
        .live
        .iter()
        .chain(&service.ending)
        .map(|run| Run {
            job: run.job,
            run: run.run,
            claim: 0,
        })
        .collect();
    known.sort_unstable_by_key(|run| run.job);
    prop_assert_eq!(
        &known,
        &world.alive(),
        "what the service knows is what is alive"
    );
    let current = service.live.iter().filter(|run| service.is_current(run));
    prop_assert!(current.count() <= 1, "one live run of what is wanted");
    if let Some(serving) = &service.serving {
        let leaving = service.leaving(serving.job, serving.run);
        prop_assert!(leaving.is_none(), "what serves does not leave");
        let mut live = service.live.iter();
        prop_assert!(live.any(|run| service.serves(run)), "what serves is alive");
    }
    for leaving in &service.rollout.leaving {
        let mut live = service.live.iter();
        prop_assert!(
            live.any(|run| (run.job, run.run) == (leaving.job, leaving.run)),
            "what leaves is there"
        );
    }
    if service.status != Status::On {
        prop_assert!(
            service.live.is_empty(),
            "a service that is off starts nothing"
        );
    }
    prop_assert!(
        world.begun.values().all(|times| *times == 1),
        "a run begins once"
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn services_and_jobs_agree(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            check(&world)?;
        }
        // Left alone after a stop, everything ends.
        drop(world.on_service(service::Command::Reactivate));
        drop(world.on_service(service::Command::Start));
        world.on_service(service::Command::Stop).unwrap();
        world.policies();
        for id in world.jobs.clone() {
            let job = world.job(id);
            if job.phase == Phase::Cancelling {
                world.execute_job(&job);
            }
        }
        check(&world)?;
        prop_assert!(world.alive().is_empty(), "{:?}", world.alive());
        // And the next request after a start runs what is desired, once.
        world.on_service(service::Command::Start).unwrap();
        let run = world.activate().unwrap();
        prop_assert_eq!(world.activate().unwrap(), run.clone());
        prop_assert_eq!(run.key, world.service().desired.unwrap().key);
        prop_assert_eq!(world.service().rollout.failed, None);
        prop_assert_eq!(world.alive().len(), 1);
    }
}

/// Found by the property above: what was overtaken by a restart answered first, and then the one after that failed.
#[test]
fn what_a_restart_overtook_is_all_that_an_update_that_fails_falls_back_to() {
    use Step::{Execute, Kill, Policies, Request, Restart, Revise};
    let mut world = World::new();
    let overtaken = [
        Request,
        Execute(0),
        Execute(0),
        Restart,
        Request,
        Execute(0),
    ];
    let beside = [Policies, Request, Revise(1), Request, Kill(3)];
    for step in overtaken.iter().chain(&beside) {
        world.take(step);
        check(&world).unwrap();
    }
    let service = world.service();
    assert_eq!(service.rollout.failed, Some(3));
    let serves: Vec<_> = service
        .live
        .iter()
        .filter(|run| service.is_current(run))
        .collect();
    assert_eq!(serves.len(), 1);
    assert!(service.serves(serves[0]));
}
