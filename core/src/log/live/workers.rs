//! The workers of queues, folded from what happened to them.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{Live, LiveJob};
use crate::ids::{JobId, ServiceId};
use crate::worker::{Condition, Event};

/// A worker at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveWorker {
    /// The service that it works for.
    pub service: ServiceId,
    /// Which of its workers it is, counted from 0.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its job.
    pub job: JobId,
    /// The run that it is in, or was in last.
    pub run: u32,
    /// The revision that it runs.
    pub revision: u32,
    /// How it is.
    pub condition: Condition,
    /// Why, for people.
    pub message: String,
    /// Its last run that ended did so before it was ready.
    pub unlaunched: bool,
    /// How many runs in a row failed before this one.
    pub failures: u32,
    /// Since when it is so.
    pub since: OffsetDateTime,
    /// When its run was asked for.
    pub started: OffsetDateTime,
    /// When it was last replaced, and why.
    pub restarted: Option<(OffsetDateTime, String)>,
    /// The sequence of the newest event about it; 0 if none came by here.
    pub version: u64,
}

impl Live {
    /// A worker, if it ever started.
    pub fn worker(&self, service: ServiceId, index: u32) -> Option<Arc<LiveWorker>> {
        self.inner.workers.pin().get(&(service, index)).cloned()
    }

    /// The workers of a service that ever started, in order.
    pub fn workers(&self, service: ServiceId) -> Vec<Arc<LiveWorker>> {
        let workers = self.inner.workers.pin();
        let mut found: Vec<_> = workers
            .values()
            .filter(|worker| worker.service == service)
            .cloned()
            .collect();
        found.sort_unstable_by_key(|worker| worker.index);
        found
    }

    /// The jobs of a service's workers that are alive, oldest first.
    pub fn worker_jobs(&self, service: ServiceId) -> Vec<Arc<LiveJob>> {
        let jobs = self.service(service).map(|service| service.jobs.clone());
        let jobs = jobs.unwrap_or_default().into_iter();
        jobs.filter_map(|id| self.job(id))
            .filter(|job| job.worker.is_some())
            .collect()
    }

    pub(super) fn load_worker(&self, worker: LiveWorker) {
        let place = (worker.service, worker.index);
        self.inner.workers.pin().insert(place, Arc::new(worker));
    }

    pub(super) fn worker_event(
        &self,
        (service, index): (ServiceId, u32),
        (sequence, time): (u64, OffsetDateTime),
        event: Event,
    ) {
        let before = self.worker(service, index);
        let Some(mut worker) = folded(before.as_deref(), time, event) else {
            return;
        };
        worker.version = sequence;
        self.load_worker(worker);
        // How its workers are is news of the service.
        if let Some(service) = self.service(service) {
            self.put_service(service.as_ref().clone());
        }
    }
}

/// One event folded; nothing where the worker never started.
fn folded(before: Option<&LiveWorker>, time: OffsetDateTime, event: Event) -> Option<LiveWorker> {
    if let Event::Started(started) = event {
        return Some(LiveWorker {
            service: started.service,
            index: started.index,
            name: started.name,
            job: started.job,
            run: started.run,
            revision: started.revision,
            condition: Condition::Well,
            message: String::new(),
            unlaunched: false,
            failures: 0,
            since: time,
            started: time,
            restarted: before.and_then(|before| before.restarted.clone()),
            version: 0,
        });
    }
    let mut worker = before?.clone();
    worker.since = time;
    match event {
        Event::Started(_) => {}
        Event::Restarted(restarted) => {
            worker.job = restarted.job;
            worker.run = restarted.run;
            worker.revision = restarted.revision;
            worker.condition = Condition::Well;
            worker.failures = restarted.failures;
            worker.started = time;
            worker.restarted = Some((time, restarted.reason));
        }
        Event::Unhealthy(unhealthy) => {
            let reason = unhealthy.reason;
            worker.condition = Condition::Unhealthy { reason };
            worker.message = unhealthy.message;
            worker.unlaunched = unhealthy.unlaunched;
        }
        Event::Recovered(_) => worker.condition = Condition::Well,
        Event::Stopped(_) => worker.condition = Condition::Stopped,
    }
    Some(worker)
}
