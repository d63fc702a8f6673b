//! What serves and what is on its way out, as far as requests depend on it.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::{Live, LiveJob, LiveService};
use crate::digest::Digest;
use crate::ids::JobId;
use crate::job::Phase;
use crate::service::Event;

/// The runs of a service that requests were moved between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveRollout {
    /// The run that requests go to.
    pub serving: Option<(JobId, u32)>,
    /// The runs that take requests beside it, in the order in which they came to.
    pub joined: Vec<(JobId, u32)>,
    /// The key of what was last asked for.
    pub desired: Option<Digest>,
    /// The key of the newest configuration that requests went to.
    pub served: Option<Digest>,
    /// The runs that get no more requests.
    pub leaving: Vec<LiveLeaving>,
}

/// A run that gets no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveLeaving {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// Until when it may go on with those that it has.
    pub until: OffsetDateTime,
    /// Whether it is done with them.
    pub done: bool,
}

// === impl LiveService ===

impl LiveService {
    /// What is known of a run that gets no more requests.
    pub fn leaving(&self, job: JobId, run: u32) -> Option<&LiveLeaving> {
        let mut leaving = self.rollout.leaving.iter();
        leaving.find(|leaving| (leaving.job, leaving.run) == (job, run))
    }

    /// The one of these jobs that requests go to: the one that serves, until another one is said to.
    pub(super) fn choose(&self, jobs: &[Arc<LiveJob>]) -> Option<Arc<LiveJob>> {
        let stays = jobs
            .iter()
            .filter(|job| self.leaving(job.id, job.run).is_none());
        let chosen = stays.max_by_key(|job| {
            let serves = self.rollout.serving == Some((job.id, job.run));
            // What the service is to run now, even where that is an earlier configuration again.
            (serves, job.key == self.key, job.revision)
        });
        chosen.cloned()
    }
}

// === impl Live ===

impl Live {
    /// No request goes to runs any more that were on their way out when this was loaded.
    pub(super) fn close_leaving(&self, service: &LiveService) {
        for leaving in &service.rollout.leaving {
            self.close(leaving.job, leaving.run);
        }
    }

    /// From now on every request sees that it comes too late.
    fn close(&self, job: JobId, run: u32) {
        if let Some(job) = self.job(job).filter(|job| job.run == run) {
            job.flights.close();
        }
    }

    pub(super) fn roll(&self, service: &mut LiveService, time: OffsetDateTime, event: &Event) {
        match event {
            Event::Switched(switched) => {
                let serving = (switched.job, switched.run);
                if let Some(job) = self.job(switched.job)
                    && job.key == service.key
                {
                    service.rollout.served = job.key;
                }
                service.rollout.serving = Some(serving);
                let Some(drain) = switched.drain_ms else {
                    return;
                };
                let others = service.jobs.iter().filter_map(|id| self.job(*id));
                let others: Vec<_> = others
                    .filter(|job| (job.id, job.run) != serving && job.phase.is_alive())
                    .collect();
                for job in others {
                    Self::leave(service, &job, time, drain);
                }
            }
            Event::Draining(draining) => {
                if service.rollout.serving == Some((draining.job, draining.run)) {
                    service.rollout.serving = None;
                }
                if let Some(job) = self.job(draining.job).filter(|job| job.run == draining.run) {
                    Self::leave(service, &job, time, draining.drain_ms);
                }
            }
            Event::Drained(drained) => {
                for leaving in &mut service.rollout.leaving {
                    leaving.done |= (leaving.job, leaving.run) == (drained.job, drained.run);
                }
            }
            Event::JobEnded(ended) => {
                let is_it = |job, run| (job, run) == (ended.job, ended.run);
                let rollout = &mut service.rollout;
                rollout.leaving.retain(|run| !is_it(run.job, run.run));
                if rollout.serving.is_some_and(|(job, run)| is_it(job, run)) {
                    rollout.serving = None;
                }
                // The one before is what requests lead to.
                if ended.failed_revision.is_some() && rollout.served.is_some() {
                    service.key = rollout.served;
                }
            }
            Event::Stopped(stopped) if stopped.keep_workers => {}
            Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
                service.rollout.serving = None;
                service.rollout.leaving.clear();
            }
            Event::Revised(revised) => service.rollout.desired = Some(revised.key),
            // What failed may be tried again.
            Event::Started(_) | Event::Restarted(_) => {
                service.key = service.rollout.desired.or(service.key);
            }
            Event::Created(_)
            | Event::Reactivated(_)
            | Event::Activated(_)
            | Event::Scaled(_)
            | Event::Joined(_)
            | Event::Resized(_)
            | Event::DeadLettered(_)
            | Event::HealthChanged(_)
            | Event::Configured(_)
            | Event::Quiet(_)
            | Event::Busy(_)
            | Event::GaveUp(_) => {}
        }
    }

    fn leave(service: &mut LiveService, job: &LiveJob, time: OffsetDateTime, drain: u64) {
        if service.leaving(job.id, job.run).is_some() {
            return;
        }
        job.flights.close();
        let drain = Duration::milliseconds(i64::try_from(drain).unwrap_or(i64::MAX));
        service.rollout.leaving.push(LiveLeaving {
            job: job.id,
            run: job.run,
            until: time.saturating_add(drain),
            done: false,
        });
    }

    /// Whether a run that waits would have room if another one were gone, and has none now.
    pub fn waits_for(&self, waiting: &LiveJob, old: &LiveJob) -> bool {
        if waiting.phase != Phase::Queuing {
            return false;
        }
        let jobs = self.jobs();
        let mut gives_way = false;
        for executor in self.executors() {
            let takes = executor.started && !executor.lost && !executor.draining;
            if !takes || waiting.mem_mib > executor.mem_mib {
                continue;
            }
            let is_on = |job: &LiveJob| {
                let claim = job.claim.filter(|_| job.phase.is_alive());
                claim.is_some_and(|claim| claim.executor == executor.id)
            };
            let held = jobs.iter().filter(|job| is_on(job));
            let held: u64 = held.map(|job| job.mem_mib).sum();
            if held + waiting.mem_mib <= executor.mem_mib {
                return false;
            }
            gives_way |= is_on(old) && held - old.mem_mib + waiting.mem_mib <= executor.mem_mib;
        }
        gives_way
    }
}
