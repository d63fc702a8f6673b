//! Several jobs of a service that take requests: which they are, and which of them has the least to do.

use std::sync::Arc;

use super::{LiveJob, LiveRollout, LiveService};
use crate::ids::JobId;
use crate::service::{Event, Status};

// === impl LiveRollout ===

impl LiveRollout {
    /// Whether requests go to a run, as far as the log has it.
    pub fn takes_requests(&self, job: JobId, run: u32) -> bool {
        self.serving == Some((job, run)) || self.joined.contains(&(job, run))
    }
}

// === impl LiveService ===

impl LiveService {
    /// How many of its jobs take requests now.
    pub fn ready(&self) -> usize {
        match self.routes.len() {
            0 => usize::from(self.route.is_some()),
            count => count,
        }
    }

    /// Where a request goes: to the one with the least in flight. Of several with as little it is another one for each
    /// `turn`.
    pub fn least_loaded(&self, turn: usize) -> Option<&Arc<LiveJob>> {
        if self.routes.is_empty() {
            return self.route.as_ref();
        }
        let (before, from) = self.routes.split_at(turn % self.routes.len());
        let around = from.iter().chain(before);
        around.min_by_key(|job| job.flights.count())
    }

    /// The jobs that take requests, where there are several.
    pub(super) fn several(&self, ready: &[Arc<LiveJob>]) -> Arc<[Arc<LiveJob>]> {
        if self.rollout.joined.is_empty() || ready.len() < 2 {
            return Arc::default();
        }
        let takes = ready.iter().filter(|job| {
            let is_meant = self.rollout.takes_requests(job.id, job.run);
            is_meant && self.leaving(job.id, job.run).is_none()
        });
        let takes: Vec<_> = takes.cloned().collect();
        match takes.len() {
            0 | 1 => Arc::default(),
            _ => takes.into(),
        }
    }

    /// Folds which runs take requests; after the run that serves is known.
    pub(super) fn follow_replicas(&mut self, event: &Event) {
        let gone = |job: JobId, run: u32| move |other: &(JobId, u32)| *other != (job, run);
        match event {
            Event::Resized(resized) => self.asked = Some(resized.replicas),
            Event::Joined(joined) => self.rollout.joined.push((joined.job, joined.run)),
            Event::Switched(_) => self.rollout.joined.clear(),
            Event::Draining(left) => self.rollout.joined.retain(gone(left.job, left.run)),
            Event::JobEnded(ended) => self.rollout.joined.retain(gone(ended.job, ended.run)),
            Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
                self.rollout.joined.clear();
                self.asked = None;
            }
            _ => return,
        }
        if self.rollout.serving.is_none() && !self.rollout.joined.is_empty() {
            self.rollout.serving = Some(self.rollout.joined.remove(0));
        }
    }

    /// How many replicas it wants.
    pub fn wanted_replicas(&self) -> u32 {
        self.demand.terms.replicas.wanted(self.asked)
    }

    /// Whether the number of its replicas depends on what is in flight to it.
    pub fn is_scaled(&self) -> bool {
        let replicas = self.demand.terms.replicas;
        self.queue.is_none() && self.status == Status::On && replicas.max > replicas.min.max(1)
    }
}
