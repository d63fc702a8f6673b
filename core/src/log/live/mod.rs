//! What is alive, in memory: services, their jobs, and where each is reached. Folded from events as they come.
//!
//! The proxy routes by it, executors find work in it, policies watch it. It is loaded from the views at a
//! sequence and then follows the log; reading it takes no lock. It decides nothing: a command that was planned
//! on it is corrected by its expectation.

mod access;
mod demand;
mod executors;
mod expected;
mod feed;
mod fold;
mod job;
mod replicas;
mod rollout;
mod workers;

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use papaya::HashMap;
use time::OffsetDateTime;
use tokio::sync::{Notify, broadcast, watch};

use crate::command::Cause;
use crate::digest::Digest;
use crate::flights::Flights;
use crate::ids::{AccountId, DataId, ExecutorId, JobId, OrganizationId, RoleId, ServiceId, UserId};
use crate::job::{Ended, Endpoint, Phase, Phases};
use crate::names::{AccountName, FullName, Name};
use crate::service::{Queue, Status};

pub use access::{Holder, LiveRole};
pub use demand::{Demand, Still};
pub use executors::LiveExecutor;
pub use expected::Expected;
pub use feed::Feed;
pub use rollout::{LiveLeaving, LiveRollout};
pub use workers::LiveWorker;

/// How many changes a slow listener may be behind before it has to look at everything.
const CHANGES: usize = 8192;
/// How many jobs that ended are remembered, for those who waited for them.
const REMEMBERED: usize = 4096;

/// Everything that is alive. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    services: HashMap<ServiceId, Arc<LiveService>>,
    names: HashMap<FullName, ServiceId>,
    accounts: HashMap<AccountName, AccountId>,
    organizations: HashMap<Name, OrganizationId>,
    roles: HashMap<RoleId, Arc<LiveRole>>,
    /// The roles of users that have any.
    held: HashMap<UserId, Vec<RoleId>>,
    keys: HashMap<Digest, RoleId>,
    revoked: HashMap<UserId, i64>,
    access: AtomicU64,
    jobs: HashMap<JobId, Arc<LiveJob>>,
    executors: HashMap<ExecutorId, Arc<LiveExecutor>>,
    workers: HashMap<(ServiceId, u32), Arc<LiveWorker>>,
    ended: Mutex<VecDeque<JobId>>,
    changes: broadcast::Sender<Change>,
    sequence: watch::Sender<u64>,
    /// Told before a run is asked for.
    expected: broadcast::Sender<Arc<Expected>>,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A service: its status, its revision, how its workers are, or which of its jobs are alive.
    Service(ServiceId),
    /// A job.
    Job(JobId),
    /// An executor: its epoch, or whether it takes jobs.
    Executor(ExecutorId),
}

impl Change {
    /// The service that it is about; what a job or an executor means for one is told with that.
    pub(super) fn service(self) -> Option<ServiceId> {
        match self {
            Self::Service(id) => Some(id),
            Self::Job(_) | Self::Executor(_) => None,
        }
    }
}

/// A service at one moment.
#[derive(Clone, Debug)]
pub struct LiveService {
    /// Its id.
    pub id: ServiceId,
    /// Its full name.
    pub name: FullName,
    /// Whether it takes traffic.
    pub status: Status,
    /// Whether its URL takes requests without a token.
    pub public: bool,
    /// Who made it.
    pub created_by: String,
    /// The data that its jobs see.
    pub runtime: DataId,
    /// What its jobs may do.
    pub role: Option<RoleId>,
    /// The key of what it is to run, once that is known.
    pub key: Option<Digest>,
    /// Its queue, with the number of workers that is wanted now.
    pub queue: Option<Queue>,
    /// What serves, and what is on its way out.
    pub rollout: LiveRollout,
    /// Whether anybody asks for it.
    pub demand: Demand,
    /// The jobs that are alive, oldest first.
    pub jobs: Vec<JobId>,
    /// The job that requests go to, while it takes traffic and one is ready.
    pub route: Option<Arc<LiveJob>>,
    /// The jobs that requests go to, where there are several.
    pub routes: Arc<[Arc<LiveJob>]>,
    /// How many replicas its traffic asked for, if it did.
    pub asked: Option<u32>,
    /// The newest event about it, if that came by here.
    pub cause: Option<Cause>,
    /// The sequence of that event; 0 if none came by.
    pub version: u64,
    changed: Arc<Notify>,
}

/// A job at one moment.
#[derive(Clone, Debug)]
pub struct LiveJob {
    /// Its id.
    pub id: JobId,
    /// Where it lives.
    pub account: AccountName,
    /// The service that it works for.
    pub service: Option<ServiceId>,
    /// The revision of the service that made it.
    pub revision: u32,
    /// The key of its configuration.
    pub key: Option<Digest>,
    /// Which worker of the service's queue it is.
    pub worker: Option<u32>,
    /// The port on which it answers.
    pub port: u16,
    /// The memory that it may have, in MiB.
    pub mem_mib: u64,
    /// The current run.
    pub run: u32,
    /// The requests that this process has in flight to the run.
    pub flights: Arc<Flights>,
    /// Where the run is.
    pub phase: Phase,
    /// Who has the run.
    pub claim: Option<LiveClaim>,
    /// Whether the run answers.
    pub ready: bool,
    /// Why it does not answer, as last seen.
    pub unready: Option<String>,
    /// Whether the run is held still.
    pub frozen: bool,
    /// More of that, if it came by here.
    pub still: Option<Still>,
    /// Where the run is reached.
    pub endpoint: Option<Endpoint>,
    /// When the run was asked for.
    pub since: OffsetDateTime,
    /// How long the phases of its start took.
    pub phases: Option<Phases>,
    /// When the run first answered.
    pub ready_on: Option<OffsetDateTime>,
    /// Why the run was asked to end, if it was.
    pub cancel_reason: Option<String>,
    /// Until when the run may go on with what it is at, where it is to end.
    pub drain_until: Option<OffsetDateTime>,
    /// How the last run ended, once it did.
    pub ended: Option<Ended>,
    /// The sequence of the newest event about it; 0 if none came by here.
    pub version: u64,
    /// The newest event about it, if that came by here.
    pub cause: Option<Cause>,
    changed: Arc<Notify>,
}

/// Who has a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveClaim {
    /// The executor.
    pub executor: ExecutorId,
    /// The newest epoch in which it said that the run goes on.
    pub epoch: u32,
    /// The claim.
    pub claim: u32,
}

/// What is alive at a sequence, as the views have it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The last sequence that is in it.
    pub sequence: u64,
    /// Every service.
    pub services: Vec<LiveService>,
    /// Every job that is alive.
    pub jobs: Vec<LiveJob>,
    /// Every executor.
    pub executors: Vec<LiveExecutor>,
    /// Every worker of a queue.
    pub workers: Vec<LiveWorker>,
    /// Every account with its id.
    pub accounts: Vec<(AccountName, AccountId)>,
    /// Every organization with its id.
    pub organizations: Vec<(Name, OrganizationId)>,
    /// Every role.
    pub roles: Vec<LiveRole>,
    /// The users whose tokens up to a second are good no more.
    pub revoked: Vec<(UserId, i64)>,
}

/// Looks until it finds something, and again whenever `changed` tells of news.
///
/// It listens before it looks, so that no news is lost in between.
pub async fn until<T>(changed: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let mut news = std::pin::pin!(changed.notified());
        news.as_mut().enable();
        if let Some(found) = look() {
            return found;
        }
        news.await;
    }
}

// === impl Live ===

impl Live {
    /// What the snapshot says; a [`Feed`] keeps it so.
    pub fn new(snapshot: Snapshot) -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        let (sequence, _) = watch::channel(snapshot.sequence);
        let (expected, _) = broadcast::channel(expected::MOST);
        let live = Self {
            inner: Arc::new(Inner {
                services: HashMap::new(),
                names: HashMap::new(),
                accounts: HashMap::new(),
                organizations: HashMap::new(),
                roles: HashMap::new(),
                held: HashMap::new(),
                keys: HashMap::new(),
                revoked: HashMap::new(),
                access: AtomicU64::new(0),
                jobs: HashMap::new(),
                executors: HashMap::new(),
                workers: HashMap::new(),
                ended: Mutex::new(VecDeque::new()),
                changes,
                sequence,
                expected,
            }),
        };
        for executor in snapshot.executors {
            let executors = live.inner.executors.pin();
            executors.insert(executor.id, Arc::new(executor));
        }
        for worker in snapshot.workers {
            live.load_worker(worker);
        }
        for (name, id) in snapshot.accounts {
            live.inner.accounts.pin().insert(name, id);
        }
        live.load_access(snapshot.roles, snapshot.revoked, snapshot.organizations);
        for job in snapshot.jobs {
            live.inner.jobs.pin().insert(job.id, Arc::new(job));
        }
        for service in snapshot.services {
            let id = service.id;
            if service.status != Status::Deleted {
                live.inner.names.pin().insert(service.name.clone(), id);
            }
            live.close_leaving(&service);
            live.put_service(service);
        }
        for job in live.jobs() {
            live.refresh_service_of(&job);
        }
        live
    }

    /// A service.
    pub fn service(&self, id: ServiceId) -> Option<Arc<LiveService>> {
        self.inner.services.pin().get(&id).cloned()
    }

    /// The id of the service with this name.
    pub fn service_named(&self, name: &FullName) -> Option<ServiceId> {
        self.inner.names.pin().get(name).copied()
    }

    /// The id of an account.
    pub fn account(&self, name: &AccountName) -> Option<AccountId> {
        self.inner.accounts.pin().get(name).copied()
    }

    /// A job that is alive, or ended not long ago.
    pub fn job(&self, id: JobId) -> Option<Arc<LiveJob>> {
        self.inner.jobs.pin().get(&id).cloned()
    }

    /// Every service.
    pub fn services(&self) -> Vec<Arc<LiveService>> {
        self.inner.services.pin().values().cloned().collect()
    }

    /// Every job that is alive, and some that ended.
    pub fn jobs(&self) -> Vec<Arc<LiveJob>> {
        self.inner.jobs.pin().values().cloned().collect()
    }

    /// An executor.
    pub fn executor(&self, id: ExecutorId) -> Option<Arc<LiveExecutor>> {
        self.inner.executors.pin().get(&id).cloned()
    }

    /// Every executor that ever started.
    pub fn executors(&self) -> Vec<Arc<LiveExecutor>> {
        self.inner.executors.pin().values().cloned().collect()
    }

    /// What changes from now on. A listener that lags has to look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// The last sequence that was folded.
    pub fn sequence(&self) -> u64 {
        *self.inner.sequence.borrow()
    }

    /// Waits until an event was folded; answers whether it was in time.
    pub async fn until(&self, sequence: u64, deadline: Duration) -> bool {
        let mut reached = self.inner.sequence.subscribe();
        let there = reached.wait_for(|now| *now >= sequence);
        matches!(tokio::time::timeout(deadline, there).await, Ok(Ok(_)))
    }

    /// Whether a job may be sent requests: it answers, is not frozen, and its executor stands by it.
    pub fn is_routable(&self, job: &LiveJob) -> bool {
        job.ready && !job.frozen && job.phase == Phase::Running && self.is_current(job)
    }

    /// Whether the job's executor was not lost, and has not started anew without it.
    fn is_current(&self, job: &LiveJob) -> bool {
        job.claim.is_some_and(|claim| {
            let executor = self.executor(claim.executor);
            executor.is_none_or(|now| now.epoch == claim.epoch && !now.lost)
        })
    }

    /// Whether a run was claimed by an executor that does not have it any more: lost, or begun anew without it.
    pub fn is_abandoned(&self, job: &LiveJob) -> bool {
        let held = matches!(
            job.phase,
            Phase::Queued | Phase::Running | Phase::Cancelling
        );
        let Some(claim) = job.claim.filter(|_| held) else {
            return false;
        };
        self.executor(claim.executor)
            .is_some_and(|now| now.epoch > claim.epoch || now.epoch == claim.epoch && now.lost)
    }

    fn put_service(&self, service: LiveService) {
        let (id, changed) = (service.id, Arc::clone(&service.changed));
        self.inner.services.pin().insert(id, Arc::new(service));
        changed.notify_waiters();
        self.tell(Change::Service(id));
    }

    fn put_job(&self, job: LiveJob) {
        let (id, alive, changed) = (job.id, job.phase.is_alive(), Arc::clone(&job.changed));
        let job = Arc::new(job);
        self.inner.jobs.pin().insert(id, Arc::clone(&job));
        if !alive {
            self.remember(id);
        }
        self.refresh_service_of(&job);
        changed.notify_waiters();
        self.tell(Change::Job(id));
    }

    /// A job that ended is forgotten once many others ended after it.
    fn remember(&self, id: JobId) {
        let mut ended = self
            .inner
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ended.push_back(id);
        if ended.len() > REMEMBERED
            && let Some(oldest) = ended.pop_front()
        {
            let jobs = self.inner.jobs.pin();
            if jobs.get(&oldest).is_some_and(|job| !job.phase.is_alive()) {
                jobs.remove(&oldest);
            }
        }
    }

    /// Which jobs of its service are alive, and which of them requests go to.
    fn refresh_service_of(&self, job: &LiveJob) {
        let Some(service) = job.service.and_then(|id| self.service(id)) else {
            return;
        };
        let mut service = LiveService::clone(&service);
        service.jobs.retain(|id| *id != job.id);
        if job.phase.is_alive() {
            service.jobs.push(job.id);
        }
        self.put_service(self.routed(service));
    }

    fn routed(&self, service: LiveService) -> LiveService {
        let jobs = service.jobs.iter().filter_map(|id| self.job(*id));
        let ready: Vec<_> = jobs.filter(|job| self.is_routable(job)).collect();
        let (route, routes) = match service.status {
            // What the service is to run now, even where that is an earlier configuration again.
            // A queue takes tasks, and no requests.
            _ if service.queue.is_some() => (None, Arc::default()),
            Status::On => (service.choose(&ready), service.several(&ready)),
            Status::Off | Status::Deactivated | Status::Deleted => (None, Arc::default()),
        };
        LiveService {
            route,
            routes,
            ..service
        }
    }

    fn tell(&self, change: Change) {
        // Nobody listens, perhaps.
        drop(self.inner.changes.send(change));
    }
}

// === impl LiveService ===

impl LiveService {
    /// A service with no job.
    pub fn new(
        id: ServiceId,
        name: FullName,
        status: Status,
        public: bool,
        created_by: String,
        runtime: DataId,
        key: Option<Digest>,
    ) -> Self {
        Self {
            id,
            name,
            status,
            public,
            created_by,
            runtime,
            role: None,
            key,
            queue: None,
            rollout: LiveRollout::default(),
            demand: Demand::default(),
            jobs: Vec::new(),
            route: None,
            routes: Arc::default(),
            asked: None,
            cause: None,
            version: 0,
            changed: Arc::default(),
        }
    }

    /// Is told when there is a newer one: for [`until`].
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

#[cfg(test)]
mod tests;
