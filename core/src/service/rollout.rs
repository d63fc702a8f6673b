//! From one revision to the next without loss: what is wanted, what serves, and what is on its way out.
//!
//! A new revision starts beside the one that serves. Requests move once it answers; the old run gets no more of
//! them, and ends when it is done with those it has. One that never answers leaves the old one where it is.

use serde::{Deserialize, Serialize};

use super::{
    Activated, Drained, Draining, Event, JobEnded, Restarted, Revised, Service, Status, Switched,
};
use crate::aggregate::Refusal;
use crate::ids::JobId;
use crate::job::Outcome;

/// How far a service is from what it ran before to what it is to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The newest revision that requests went to.
    pub served: Option<Revised>,
    /// The run that is to take the place of one that serves.
    pub rolling: Option<Activated>,
    /// The revision that did not come to answer: it is not tried again by itself.
    pub failed: Option<u32>,
    /// Runs of revisions before this one are replaced, whatever they run.
    pub fresh: u32,
    /// The runs that get no more requests.
    pub leaving: Vec<Leaving>,
}

/// A run that gets no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// Whether it is done with those that it had.
    pub done: bool,
}

impl Service {
    /// What requests lead to: the desired revision, or the one before where that did not come to answer.
    pub fn target(&self) -> Option<&Revised> {
        let desired = self.desired.as_ref();
        let served = self.rollout.served.as_ref();
        match self.rollout.failed {
            Some(_) => served.or(desired),
            None => desired,
        }
    }

    /// Whether a run is one of what requests lead to, and is not on its way out.
    pub fn is_current(&self, run: &Activated) -> bool {
        let served = self.rollout.served.as_ref();
        let revisions = match self.rollout.failed {
            // What was to take its place, overtaken or not, is no part of what served.
            Some(_) => 0..=served.map_or(u32::MAX, |served| served.revision),
            None => self.rollout.fresh..=u32::MAX,
        };
        let is_wanted = self.target().is_some_and(|target| target.key == run.key);
        let is_fresh = revisions.contains(&run.revision);
        is_wanted && is_fresh && self.leaving(run.job, run.run).is_none()
    }

    /// Whether a run serves.
    pub fn serves(&self, run: &Activated) -> bool {
        let serving = self.serving.as_ref();
        serving.is_some_and(|serving| (serving.job, serving.run) == (run.job, run.run))
    }

    /// What is known of a run that gets no more requests.
    pub fn leaving(&self, job: JobId, run: u32) -> Option<&Leaving> {
        let mut leaving = self.rollout.leaving.iter();
        leaving.find(|leaving| (leaving.job, leaving.run) == (job, run))
    }

    pub(super) fn switch(&self, wanted: &Switched) -> Result<Vec<Event>, Refusal> {
        let run = self.live_run(wanted.job, wanted.run)?;
        if self.takes_requests(run) || self.leaving(run.job, run.run).is_some() {
            return Ok(vec![]);
        }
        // It takes nobody's place.
        if self.joins(run) {
            return Ok(vec![]);
        }
        // Late news of an older revision never takes requests from a newer one.
        Ok(if self.is_current(run) || self.serving.is_none() {
            vec![Event::Switched(Switched {
                revision: Some(run.revision),
                ..wanted.clone()
            })]
        } else {
            vec![]
        })
    }

    /// Where there is no room for both, the old one leaves first, and a replica that is one too many leaves; nothing
    /// else is ever taken from requests.
    pub(super) fn drain(&self, wanted: &Draining) -> Result<Vec<Event>, Refusal> {
        let run = self.live_run(wanted.job, wanted.run)?;
        let is_asked = self.leaving(run.job, run.run).is_none()
            && (!self.is_current(run) || self.is_surplus(run));
        Ok(if is_asked {
            vec![Event::Draining(wanted.clone())]
        } else {
            vec![]
        })
    }

    pub(super) fn drained(&self, drained: &Drained) -> Vec<Event> {
        match self.leaving(drained.job, drained.run) {
            Some(leaving) if !leaving.done => vec![Event::Drained(drained.clone())],
            Some(_) | None => vec![],
        }
    }

    /// All that it runs is replaced by the same, as an update replaces it by something else.
    pub(super) fn restart(&self, after: u32) -> Result<Vec<Event>, Refusal> {
        self.must_be_on()?;
        let Some(desired) = &self.desired else {
            return Ok(vec![]);
        };
        Ok(match self.status {
            Status::On if desired.revision != after => vec![],
            Status::On if !self.live.is_empty() || self.has_failed() => {
                let revision = after + 1;
                vec![Event::Restarted(Restarted { revision })]
            }
            Status::On | Status::Off | Status::Deactivated | Status::Deleted => vec![],
        })
    }

    pub(super) fn live_run(&self, job: JobId, run: u32) -> Result<&Activated, Refusal> {
        let mut live = self.live.iter();
        live.find(|live| (live.job, live.run) == (job, run))
            .ok_or_else(|| Refusal::stale("the run ended"))
    }

    /// The revision that a run was to bring in, where it ends before it did.
    pub(super) fn failed_with(&self, ended: &JobEnded) -> Option<u32> {
        let rolling = self.rollout.rolling.as_ref()?;
        let is_it = (rolling.job, rolling.run) == (ended.job, ended.run);
        let desired = self.desired.as_ref()?;
        // What was taken away is no fault of the revision: it is tried again.
        let is_fault = ended.state != Outcome::Interrupted && rolling.key == desired.key;
        let has_other = self.rollout.served.is_some() && self.rollout.failed.is_none();
        (is_it && is_fault && has_other).then_some(desired.revision)
    }

    // === evolve ===

    pub(super) fn roll(&mut self, event: &Event) {
        match event {
            Event::Revised(_) => {
                self.tried = false;
                self.rollout.failed = None;
            }
            Event::Restarted(restarted) => {
                self.tried = false;
                self.rollout.failed = None;
                self.rollout.fresh = restarted.revision;
                if let Some(desired) = &mut self.desired {
                    desired.revision = restarted.revision;
                }
            }
            Event::Started(_) => {
                if self.rollout.failed.take().is_some() {
                    self.tried = false;
                }
            }
            // One more of the same brings in nothing.
            Event::Activated(activated) if activated.replica => {}
            Event::Activated(activated) => {
                let is_beside = self.serving.is_some() && !self.serves(activated);
                if is_beside || self.rollout.rolling.is_some() {
                    self.rollout.rolling = Some(activated.clone());
                }
            }
            Event::Switched(switched) => self.switched(switched),
            Event::Draining(draining) => {
                self.leave(draining.job, draining.run);
                if self
                    .serving
                    .as_ref()
                    .is_some_and(|run| (run.job, run.run) == (draining.job, draining.run))
                {
                    self.serving = None;
                }
            }
            Event::Drained(drained) => {
                for leaving in &mut self.rollout.leaving {
                    leaving.done |= (leaving.job, leaving.run) == (drained.job, drained.run);
                }
            }
            Event::JobEnded(ended) => {
                let is_it = |job, run| (job, run) == (ended.job, ended.run);
                self.rollout
                    .leaving
                    .retain(|leaving| !is_it(leaving.job, leaving.run));
                let rolling = self.rollout.rolling.as_ref();
                if let Some(rolling) = rolling.filter(|rolling| is_it(rolling.job, rolling.run)) {
                    let desired = self.desired.as_ref();
                    let again = ended.state == Outcome::Interrupted
                        && desired.is_some_and(|desired| desired.key == rolling.key);
                    if again {
                        self.tried = false;
                    } else {
                        self.rollout.rolling = None;
                    }
                }
                if ended.failed_revision.is_some() {
                    self.rollout.failed = ended.failed_revision;
                }
            }
            Event::Created(_)
            | Event::Stopped(_)
            | Event::Deactivated(_)
            | Event::Reactivated(_)
            | Event::Scaled(_)
            | Event::Joined(_)
            | Event::Resized(_)
            | Event::DeadLettered(_)
            | Event::HealthChanged(_)
            | Event::Deleted(_)
            | Event::Configured(_)
            | Event::Quiet(_)
            | Event::Busy(_)
            | Event::GaveUp(_) => {}
        }
    }

    fn switched(&mut self, switched: &Switched) {
        let is_it = |run: &&Activated| (run.job, run.run) == (switched.job, switched.run);
        if let Some(run) = self.live.iter().find(is_it) {
            if self.rollout.failed.is_none()
                && let Some(desired) = self.desired.as_ref().filter(|now| now.key == run.key)
            {
                // What a restart overtook is not what was restarted, though it is the same.
                let is_overtaken = run.revision < self.rollout.fresh;
                let revision = if is_overtaken {
                    run.revision
                } else {
                    desired.revision
                };
                self.rollout.served = Some(Revised {
                    revision,
                    ..desired.clone()
                });
            }
            // Before there was draining, the others were ended at once.
            if switched.drain_ms.is_some() {
                let others: Vec<_> = self.live.iter().filter(|run| !is_it(run)).collect();
                let others: Vec<_> = others.iter().map(|run| (run.job, run.run)).collect();
                for (job, run) in others {
                    self.leave(job, run);
                }
            }
        }
        self.rollout.rolling = None;
        self.serving = Some(switched.clone());
    }

    fn leave(&mut self, job: JobId, run: u32) {
        if self.leaving(job, run).is_none() {
            let done = false;
            self.rollout.leaving.push(Leaving { job, run, done });
        }
    }

    /// A service that is stopped has nothing left to be moved.
    pub(super) fn forget_rollout(&mut self) {
        self.rollout.rolling = None;
        self.rollout.leaving.clear();
    }
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
