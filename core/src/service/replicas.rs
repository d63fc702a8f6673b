//! Many jobs of one configuration behind a URL: how many a service may have, how many it wants now, and which of them
//! take requests beside the one that serves.
//!
//! One run serves, and is what updates replace. Others join it once they answer; the oldest of them takes its place
//! where it ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::activation::with_job;
use super::{Activated, Activation, Event, Job, Service, Status, Switched};
use crate::aggregate::Refusal;
use crate::command::AnyPart;
use crate::ids::JobId;
use crate::names::AccountName;

/// The most replicas of a service.
pub const MAX_REPLICAS: u32 = 64;
/// For how many requests at a time a replica is meant, where nothing is said.
pub const CONCURRENCY: u32 = 80;
/// The most of them.
pub const MAX_CONCURRENCY: u32 = 10_000;

/// How many jobs a service has behind its URL, and for how many requests each is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// How many there are at least while it is awake; 0 is as good as 1.
    pub min: u32,
    /// How many there are at most.
    pub max: u32,
    /// How many requests one of them is meant to have at a time: what scaling aims at, and no limit.
    pub concurrency: u32,
}

/// How many replicas a service wants, and which of them take requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// How many its traffic asked for, if it did.
    pub asked: Option<u32>,
    /// The runs that take requests beside the one that serves, in the order in which they came to.
    pub joined: Vec<Joined>,
}

/// A run takes requests beside the one that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Joined {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// The revision that it runs.
    pub revision: u32,
}

/// The traffic of a service asks for another number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resized {
    /// How many.
    pub replicas: u32,
    /// How many requests were in flight that this many are for.
    pub in_flight: u32,
}

/// The parts that start one more replica, and the run that it will be.
pub fn grow(
    account: &AccountName,
    service: &Service,
    job: &Job,
) -> Result<(Activated, Vec<Box<dyn AnyPart>>), Refusal> {
    with_job(account, service, job, service.growth(job.id)?)
}

// === impl Replicas ===

impl Default for Replicas {
    fn default() -> Self {
        Self {
            min: 1,
            max: 1,
            concurrency: CONCURRENCY,
        }
    }
}

impl Replicas {
    /// Whether nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// How many there are where the traffic asked for so many.
    pub fn wanted(self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(self.min).max(self.min).max(1).min(self.max)
    }

    /// How many are enough for so many requests at a time.
    pub fn enough_for(self, in_flight: u32) -> u32 {
        self.wanted(Some(in_flight.div_ceil(self.concurrency.max(1))))
    }

    /// Refuses what no service can have.
    pub(super) fn check(self) -> Result<(), Refusal> {
        let Self {
            min,
            max,
            concurrency,
        } = self;
        let bad = |message| Err(Refusal::invalid("bad-terms", message));
        if !(1..=MAX_REPLICAS).contains(&max) {
            return bad(format!(
                "a service has at most 1 to {MAX_REPLICAS} replicas, not {max}: say MIN:MAX, such as 1:4"
            ));
        }
        if min > max {
            return bad(format!(
                "a service cannot have at least {min} replicas and at most {max}: say MIN:MAX, such as 1:4"
            ));
        }
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            return bad(format!(
                "a replica is meant for 1 to {MAX_CONCURRENCY} requests at a time, not {concurrency}"
            ));
        }
        Ok(())
    }
}

// === impl Joined ===

impl Joined {
    fn is(&self, job: JobId, run: u32) -> bool {
        (self.job, self.run) == (job, run)
    }
}

impl From<Joined> for Switched {
    fn from(joined: Joined) -> Self {
        Self {
            job: joined.job,
            run: joined.run,
            revision: Some(joined.revision),
            drain_ms: None,
        }
    }
}

// === impl Service ===

impl Service {
    /// How many replicas it has while it is awake.
    pub fn wanted_replicas(&self) -> u32 {
        self.terms.replicas.wanted(self.fleet.asked)
    }

    /// The runs of what requests lead to, oldest first: those that take requests, and those that are to.
    pub fn replicas(&self) -> impl Iterator<Item = &Activated> {
        self.live.iter().filter(|run| self.is_current(run))
    }

    /// Whether requests go to a run.
    pub fn takes_requests(&self, run: &Activated) -> bool {
        self.serves(run) || self.has_joined(run)
    }

    /// Whether what requests lead to is what serves: nothing is on its way from one revision to the next.
    pub fn is_settled(&self) -> bool {
        self.replicas().any(|run| self.serves(run))
    }

    /// Whether a run may leave since there are more than are wanted.
    pub(super) fn is_surplus(&self, run: &Activated) -> bool {
        self.is_current(run) && !self.serves(run) && self.lacks() < 0
    }

    /// What one more replica is. `new` is the id of a job that would be new.
    pub(super) fn growth(&self, new: JobId) -> Result<Activation, Refusal> {
        self.must_be_on()?;
        if self.queue.is_some() || !self.is_settled() || self.lacks() <= 0 {
            return Err(Refusal::stale("the service has the replicas that it wants"));
        }
        Ok(match self.next_run(None, new)? {
            Activation::Join(run) => Activation::Join(run),
            Activation::Retry(run) => Activation::Retry(replica(run)),
            Activation::New(run) => Activation::New(replica(run)),
        })
    }

    /// Whether a run that answers takes requests beside others, and in nobody's place.
    pub(super) fn joins(&self, run: &Activated) -> bool {
        if !run.replica || !self.is_current(run) {
            return false;
        }
        match self.serving {
            Some(_) => self.is_settled(),
            None => self.replicas().any(|other| other != run),
        }
    }

    /// A run that answers joins those that take requests, where it is one of them.
    pub(super) fn join(&self, job: JobId, run: u32) -> Result<Vec<Event>, Refusal> {
        let run = self.live_run(job, run)?;
        let is_asked = !self.takes_requests(run) && self.joins(run);
        Ok(if is_asked {
            vec![Event::Joined(Joined {
                job: run.job,
                run: run.run,
                revision: run.revision,
            })]
        } else {
            vec![]
        })
    }

    pub(super) fn resize(&self, resized: Resized) -> Vec<Event> {
        let replicas = self.terms.replicas.wanted(Some(resized.replicas));
        let is_asked = self.queue.is_none()
            && self.status == Status::On
            && self.desired.is_some()
            && replicas != self.wanted_replicas();
        if is_asked {
            vec![Event::Resized(Resized {
                replicas,
                ..resized
            })]
        } else {
            vec![]
        }
    }

    fn has_joined(&self, run: &Activated) -> bool {
        let mut joined = self.fleet.joined.iter();
        joined.any(|joined| joined.is(run.job, run.run))
    }

    /// How many more are wanted than there are.
    fn lacks(&self) -> i64 {
        let count = self.replicas().fold(0_i64, |count, _| count + 1);
        i64::from(self.wanted_replicas()) - count
    }

    /// Folds which runs take requests; after the run that serves is known.
    pub(super) fn follow_replicas(mut self, event: &Event) -> Self {
        let fleet = &mut self.fleet;
        match event {
            Event::Resized(resized) => fleet.asked = Some(resized.replicas),
            Event::Joined(joined) => fleet.joined.push(*joined),
            Event::Switched(_) => fleet.joined.clear(),
            Event::Draining(left) => fleet.joined.retain(|run| !run.is(left.job, left.run)),
            Event::JobEnded(ended) => fleet.joined.retain(|run| !run.is(ended.job, ended.run)),
            Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
                *fleet = Fleet::default();
            }
            _ => return self,
        }
        if self.serving.is_none() && !fleet.joined.is_empty() {
            self.serving = Some(fleet.joined.remove(0).into());
        }
        self
    }
}

fn replica(mut run: Activated) -> Activated {
    run.replica = true;
    run
}

#[cfg(test)]
#[path = "replicas_tests.rs"]
mod tests;
