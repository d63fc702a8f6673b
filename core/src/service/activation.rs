//! Which job serves the next request, decided in the seed's order: the one that is alive, else the newest
//! that did not succeed, else a new one.

use super::{
    Activated, Command, Created, Event, Fleet, JobEnded, Revised, Rollout, Service,
    ServiceAggregate, Status, Traffic,
};
use crate::aggregate::Refusal;
use crate::command::{AnyPart, Part};
use crate::ids::{AccountId, JobId, UserId};
use crate::job::{self, Configuration, ForService, JobAggregate, Outcome, Submitted};
use crate::names::AccountName;
use time::OffsetDateTime;

/// How many jobs are remembered that could run again, each of another configuration.
const MOST_REUSABLE: usize = 16;

/// What a request for a job leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// This run is alive already.
    Join(Activated),
    /// This job runs again.
    Retry(Activated),
    /// A new job, with this id.
    New(Activated),
}

/// What a new job is made from, beyond what the service knows.
#[derive(Clone, Debug)]
pub struct Job {
    /// The id of a job that would be new.
    pub id: JobId,
    /// The account's id.
    pub account_id: AccountId,
    /// Whom it runs for.
    pub user: Option<UserId>,
    /// The platform asks by itself, and nobody else does.
    pub by_itself: bool,
    /// When it is asked for: what failed may have to pause.
    pub now: OffsetDateTime,
}

/// The parts that bring a service to a live job, and the run that it will be. No parts: it is alive.
pub fn activate(
    account: &AccountName,
    service: &Service,
    job: &Job,
) -> Result<(Activated, Vec<Box<dyn AnyPart>>), Refusal> {
    with_job(account, service, job, service.activation(job.id)?)
}

/// The same for an activation that was decided.
pub(super) fn with_job(
    account: &AccountName,
    service: &Service,
    job: &Job,
    activation: Activation,
) -> Result<(Activated, Vec<Box<dyn AnyPart>>), Refusal> {
    let (mut activated, command) = match activation {
        Activation::Join(activated) => return Ok((activated, Vec::new())),
        Activation::Retry(activated) => {
            let run = activated.run;
            (activated, job::Command::Retry { run })
        }
        Activation::New(activated) => {
            let submitted = service.submitted(job, None)?;
            (activated, job::Command::Submit(submitted))
        }
    };
    service.must_not_rest(job.now)?;
    activated.by_itself = job.by_itself;
    let (id, fresh) = (activated.job, activated.run == 0);
    let of_job = if fresh {
        Part::<JobAggregate>::new(account.clone(), id, command).boxed()
    } else {
        Part::<JobAggregate>::on(account.clone(), id, command).boxed()
    };
    let command = Command::Activate(activated.clone());
    let of_service = Part::<ServiceAggregate>::on(account.clone(), service.created.id, command);
    Ok((activated, vec![of_service.boxed(), of_job]))
}

impl Service {
    /// A service as it was made.
    pub(super) fn new(created: Created) -> Self {
        Self {
            status: created.status,
            before_deactivation: created.status,
            queue: created.queue.clone(),
            drain_ms: 0,
            health: None,
            desired: None,
            tried: false,
            live: Vec::new(),
            ending: Vec::new(),
            serving: None,
            rollout: Rollout::default(),
            fleet: Fleet::default(),
            reusable: Vec::new(),
            terms: created.terms,
            traffic: Traffic::Never,
            failing: None,
            gave_up: None,
            dead_told: 0,
            created,
        }
    }

    /// Whether it takes traffic; the refusal says what to do.
    pub fn must_be_on(&self) -> Result<(), Refusal> {
        let name = &self.created.name;
        match self.status {
            Status::On => Ok(()),
            Status::Off => Err(Refusal::conflict(
                "service-off",
                format!("service `{name}` is off: `eai service start {name}` turns it on"),
            )),
            Status::Deactivated => Err(Refusal::conflict(
                "service-deactivated",
                format!("service `{name}` is deactivated: reactivate it first"),
            )),
            Status::Deleted => Err(Refusal::not_found(format!("service `{name}` was deleted"))),
        }
    }

    /// Which job a request leads to. `new` is the id of a job that would be new.
    pub fn activation(&self, new: JobId) -> Result<Activation, Refusal> {
        self.must_be_on()?;
        self.activation_of(None, new)
    }

    /// The same for one worker, or for a job that takes requests.
    pub(super) fn activation_of(
        &self,
        worker: Option<u32>,
        new: JobId,
    ) -> Result<Activation, Refusal> {
        self.wanted()?;
        let is_current = |run: &&Activated| run.worker == worker && self.is_current(run);
        // The one that serves is what the others came after.
        let mut serving = self.live.iter().rev().filter(is_current);
        let serving = serving.find(|run| self.serves(run));
        if let Some(alive) = serving.or_else(|| self.live.iter().rev().find(is_current)) {
            return Ok(Activation::Join(alive.clone()));
        }
        self.next_run(worker, new)
    }

    /// What runs next, whatever is alive: the newest that did not succeed, else a new one.
    pub(super) fn next_run(&self, worker: Option<u32>, new: JobId) -> Result<Activation, Refusal> {
        let desired = self.wanted()?;
        let of_desired = |run: &&Activated| run.key == desired.key && run.worker == worker;
        self.must_not_be_given_up()?;
        let (revision, key) = (desired.revision, desired.key);
        Ok(match self.reusable.iter().rev().find(of_desired) {
            Some(ended) => Activation::Retry(Activated {
                job: ended.job,
                run: ended.run + 1,
                revision,
                key,
                worker,
                by_itself: false,
                replica: false,
            }),
            None => Activation::New(Activated {
                job: new,
                run: 0,
                revision,
                key,
                worker,
                by_itself: false,
                replica: false,
            }),
        })
    }

    fn wanted(&self) -> Result<&Revised, Refusal> {
        self.target()
            .ok_or_else(|| Refusal::stale("the service has no revision yet"))
    }

    /// What a new job of the wanted revision is.
    pub(crate) fn submitted(&self, job: &Job, worker: Option<u32>) -> Result<Submitted, Refusal> {
        let desired = self.wanted()?;
        Ok(Submitted {
            id: job.id,
            name: None,
            service: Some(ForService {
                service: super::Resource {
                    id: self.created.id,
                    full_name: self
                        .created
                        .runtime
                        .full_name
                        .account
                        .join(self.created.name.clone()),
                },
                revision: desired.revision,
                key: desired.key,
                worker,
            }),
            configuration: desired.configuration.clone(),
            account_id: job.account_id,
            user: job.user,
        })
    }

    pub(super) fn revise(&self, configuration: &Configuration) -> Vec<Event> {
        let key = configuration.key();
        match &self.desired {
            // What failed is tried again by being said again.
            Some(desired) if desired.key == key && !self.is_held_back() => vec![],
            desired => vec![Event::Revised(Revised {
                revision: desired.as_ref().map_or(0, |desired| desired.revision) + 1,
                key,
                configuration: Box::new(configuration.clone()),
            })],
        }
    }

    pub(super) fn decide_activation(&self, wanted: &Activated) -> Result<Vec<Event>, Refusal> {
        let activation = match wanted.worker {
            Some(index) => self.worker_activation(index, wanted.job)?,
            None if wanted.replica => self.growth(wanted.job)?,
            None => self.activation(wanted.job)?,
        };
        // Who asks makes no other run of it.
        let is_wanted = |run: &Activated| {
            let by_itself = wanted.by_itself;
            *wanted
                == Activated {
                    by_itself,
                    ..run.clone()
                }
        };
        match activation {
            Activation::Join(alive) if is_wanted(&alive) => Ok(vec![]),
            Activation::Retry(next) | Activation::New(next) if is_wanted(&next) => {
                Ok(vec![Event::Activated(wanted.clone())])
            }
            Activation::Join(_) | Activation::Retry(_) | Activation::New(_) => {
                Err(Refusal::stale("the service moved on meanwhile"))
            }
        }
    }

    pub(super) fn end_job(&self, ended: &JobEnded) -> Vec<Event> {
        let is_it = |run: &Activated| run.job == ended.job && run.run == ended.run;
        if self.live.iter().chain(&self.ending).any(is_it) {
            let failed_revision = self.failed_with(ended);
            vec![Event::JobEnded(JobEnded {
                failed_revision,
                ..ended.clone()
            })]
        } else {
            vec![]
        }
    }

    /// Folds what happened to its revisions and runs.
    pub(super) fn follow(mut self, event: &Event) -> Self {
        self.roll(event);
        match event {
            Event::Revised(revised) => self.desired = Some(revised.clone()),
            Event::Activated(activated) => {
                self.tried |= self
                    .desired
                    .as_ref()
                    .is_some_and(|desired| desired.key == activated.key);
                let stays = |run: &Activated| !self.takes_place_of(activated, run);
                let stays: Vec<_> = self
                    .reusable
                    .iter()
                    .filter(|run| stays(run))
                    .cloned()
                    .collect();
                self.reusable = stays;
                self.live.push(activated.clone());
            }
            Event::JobEnded(ended) => self.forget(ended),
            Event::Stopped(stopped) => {
                let usual = self.queue.as_ref().map(|queue| queue.stop_timeout_ms);
                self.drain_ms = stopped.timeout_ms.or(usual).unwrap_or_default();
                if !stopped.keep_workers {
                    self.end_all();
                }
            }
            Event::Deactivated(_) | Event::Deleted(_) => self.end_all(),
            Event::HealthChanged(health) => self.health = Some(health.clone()),
            Event::Scaled(scaled) => {
                if let Some(queue) = &mut self.queue {
                    queue.workers = scaled.workers;
                }
            }
            _ => {}
        }
        self
    }

    fn end_all(&mut self) {
        self.ending.append(&mut self.live);
        self.serving = None;
        self.forget_rollout();
    }

    /// Whether a run that could run again need not, since another one of the same did or could: of many replicas each
    /// has a place of its own.
    fn takes_place_of(&self, run: &Activated, other: &Activated) -> bool {
        let is_same = run.key == other.key && run.worker == other.worker;
        is_same && (self.terms.replicas.max <= 1 || run.job == other.job)
    }

    fn forget(&mut self, ended: &JobEnded) {
        let is_it = |run: &Activated| run.job == ended.job && run.run == ended.run;
        if self
            .serving
            .as_ref()
            .is_some_and(|run| run.job == ended.job && run.run == ended.run)
        {
            self.serving = None;
        }
        let take = |runs: &mut Vec<Activated>| {
            let at = runs.iter().position(is_it)?;
            Some(runs.remove(at))
        };
        let Some(run) = take(&mut self.live).or_else(|| take(&mut self.ending)) else {
            return;
        };
        if ended.state != Outcome::Succeeded {
            let stays = |other: &&Activated| !self.takes_place_of(&run, other);
            let mut reusable: Vec<_> = self.reusable.iter().filter(stays).cloned().collect();
            reusable.push(run);
            self.reusable = reusable;
            let workers = self
                .queue
                .as_ref()
                .map_or(0, |queue| queue.workers as usize);
            let replicas = self.terms.replicas.max.saturating_sub(1) as usize;
            let most = MOST_REUSABLE + workers + replicas;
            let surplus = self.reusable.len().saturating_sub(most);
            self.reusable.drain(..surplus);
        }
    }
}

#[cfg(test)]
#[path = "activation_tests.rs"]
mod tests;
