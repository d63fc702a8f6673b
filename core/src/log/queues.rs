//! What is known of the workers of queues at this moment, put together from what is alive and what was heard.
//!
//! Reading it takes no lock that anyone waits on, asks nobody, and changes nothing: any number may read at once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use super::live::{Live, LiveJob, LiveService, LiveWorker};
use super::tasks as log_tasks;
use super::{Log, WorkerBeats};
use crate::health::{self, Cleanup, Facts, Heartbeat, Over, Place, RunIs, Tasks, Worker};
use crate::ids::ServiceId;
use crate::job::Phase;
use crate::names::Name;
use crate::policy::PLANNED;
use crate::task;
use crate::worker::{self, Condition};

/// Knows the workers of queues. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues {
    log: Log,
    live: Live,
    beats: WorkerBeats,
    tasks: log_tasks::Tasks,
    share: Option<PathBuf>,
    /// Services whose health could not be written there.
    unwritten: Arc<Mutex<BTreeSet<ServiceId>>>,
}

impl Queues {
    /// From what is alive; `beats` are listened to elsewhere. `share` is the folder that is shared with others.
    pub fn new(
        log: Log,
        live: Live,
        beats: WorkerBeats,
        tasks: log_tasks::Tasks,
        share: Option<PathBuf>,
    ) -> Self {
        Self {
            log,
            live,
            beats,
            tasks,
            share,
            unwritten: Arc::default(),
        }
    }

    /// Where the health of a service is written, if anywhere and if it could be.
    pub fn health_path(&self, service: ServiceId) -> Option<String> {
        if self.unwritten().contains(&service) {
            return None;
        }
        self.health_file(&self.live.service(service)?.name.name)
    }

    /// Where the health of a service is to be written, if anywhere.
    pub fn health_file(&self, service: &Name) -> Option<String> {
        self.shared(service, "health.json")
    }

    /// Remembers whether the health of a service could be written.
    pub fn written(&self, service: ServiceId, well: bool) {
        let mut unwritten = self.unwritten();
        if well {
            unwritten.remove(&service);
        } else {
            unwritten.insert(service);
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeSet<ServiceId>> {
        let unwritten = self.unwritten.lock();
        unwritten.unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self, service: &Name, what: &str) -> Option<String> {
        let share = self.share.as_ref()?.join("service");
        let path = share.join(health::target(service)).join(what);
        Some(path.to_string_lossy().into_owned())
    }

    /// What is known of a service; nothing where it has no queue.
    pub fn facts(&self, service: ServiceId) -> Option<Facts> {
        let service = self.live.service(service)?;
        let queue = service.queue.clone()?;
        let workers = self.live.workers(service.id);
        let filled = workers.last().map_or(0, |last| last.index + 1);
        let places = (0..queue.workers.max(filled)).map(|index| {
            let worker = workers.iter().find(|worker| worker.index == index);
            self.place(&service, index, worker.map(AsRef::as_ref))
        });
        let now = now();
        let tasks = counted(self.tasks.counts(service.id));
        let places: Vec<_> = places.collect();
        let is_empty = tasks.pending == 0 && tasks.running == 0;
        let let_go = |place: &Place| {
            let worker = place.worker.as_ref();
            worker.is_some_and(|worker| worker.condition == Condition::Stopped)
        };
        Some(Facts {
            asleep: queue.idle_timeout_ms.is_some() && is_empty && places.iter().all(let_go),
            name: service.name.name.clone(),
            status: service.status,
            places,
            queue,
            tasks,
            cleanup: Cleanup {
                done: self.cleared(service.id, task::Phase::Done, now),
                failed: self.cleared(service.id, task::Phase::Failed, now),
                // Signs of life are not kept, so none is cleared away.
                heartbeats: 0,
            },
            away: self.log.connection().away(),
            listening: self.beats.listening(),
            queue_dir: self.shared(&service.name.name, "queue"),
            now,
        })
    }

    fn cleared(&self, service: ServiceId, phase: task::Phase, now: OffsetDateTime) -> u64 {
        self.tasks.cleared(service, phase, now) as u64
    }

    /// The tasks.
    pub(super) fn tasks(&self) -> &log_tasks::Tasks {
        &self.tasks
    }

    fn place(&self, service: &LiveService, index: u32, worker: Option<&LiveWorker>) -> Place {
        let heartbeat = worker.and_then(|worker| {
            let heard = self.beats.last(service.id, index)?;
            let is_its = (heard.beat.job, heard.beat.run) == (worker.job, worker.run);
            is_its.then(|| Heartbeat {
                state: heard.beat.state.as_str(),
                age: self.beats.age(&heard),
            })
        });
        Place {
            index,
            name: worker::name(&service.name.name, index),
            worker: worker.map(|worker| self.worker(worker)),
            heartbeat,
        }
    }

    fn worker(&self, worker: &LiveWorker) -> Worker {
        let job = self.live.job(worker.job);
        let job = job.filter(|job| job.run == worker.run);
        Worker {
            job: worker.job,
            run: worker.run,
            revision: worker.revision,
            condition: worker.condition.clone(),
            message: worker.message.clone(),
            unlaunched: worker.unlaunched,
            failures: worker.failures,
            since: worker.since,
            started: worker.started,
            restarted: worker.restarted.clone(),
            run_is: job.map_or(RunIs::Unknown, |job| run_is(&job)),
        }
    }
}

fn counted(counts: log_tasks::Counts) -> Tasks {
    let [pending, running, done, failed] =
        [counts.pending, counts.running, counts.done, counts.failed].map(|count| count as u64);
    Tasks {
        pending,
        running,
        done,
        failed,
    }
}

fn run_is(job: &LiveJob) -> RunIs {
    match job.phase {
        Phase::Running if job.ready => RunIs::Ready(job.ready_on.unwrap_or(job.since)),
        Phase::Queuing | Phase::Queued | Phase::Running => RunIs::Starting,
        Phase::Cancelling => RunIs::Ending,
        Phase::Succeeded | Phase::Failed | Phase::Cancelled | Phase::Interrupted => {
            let Some(ended) = &job.ended else {
                return RunIs::Unknown;
            };
            RunIs::Over(Over {
                outcome: ended.state,
                message: ended.message.clone(),
                was_ready: job.ready_on.is_some(),
                planned: is_planned(job.cancel_reason.as_deref()),
            })
        }
    }
}

/// Whether a run that was asked to end for this reason ended as the platform wanted.
pub(super) fn is_planned(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| PLANNED.contains(&reason))
}

#[expect(clippy::disallowed_methods, reason = "whoever asks means this moment")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
