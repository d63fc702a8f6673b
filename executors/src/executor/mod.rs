//! The executor: claims jobs that wait, brings each run to life, and tells the log what becomes of it.
//!
//! Work comes from what is alive in memory, and every claim is an append that one executor wins. It knows no
//! routes and no views.

mod adopt;
mod attach;
mod claim;
mod early;
mod exit;
mod fence;
mod image;
mod life;
mod mounts;
mod output;
mod probe;
mod ready;
mod reconcile;
mod report;
mod requirements;
mod still;
mod tokens;
mod unstarted;
mod worker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eai_core::executor::Run as RunId;
use eai_core::ids::{ExecutorId, JobId, ServiceId};
use eai_core::job::Phase;
use eai_core::lease::Terms;
use eai_core::log::live::{Change, Live, LiveJob};
use eai_core::log::objects::Objects;
use eai_core::log::output::Output;
use eai_core::log::tasks::Tasks;
use eai_core::log::{self, Beat, Log};
use eai_core::names::AccountName;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::backend::{Backend, FoundError};
use crate::data::Cache;
use crate::queue::Queues;
use early::Early;
pub use tokens::RunTokens;

/// How an executor is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which one it is: the same at every start.
    pub id: ExecutorId,
    /// The account that its own events are in.
    pub account: AccountName,
    /// The platform's URL, for the runs' environment.
    pub console_url: String,
    /// How long a run may take until it answers.
    pub start_timeout: Duration,
    /// The processor cores of the machine, in thousandths: the most that one run may ask for.
    pub cpu_milli: u64,
    /// The memory that runs may have together, in MiB.
    pub mem_mib: u64,
    /// Where versions of data are kept as folders.
    pub cache: PathBuf,
    /// The image of specs that name none.
    pub default_image: Option<String>,
    /// How often it gives a sign of life.
    pub terms: Terms,
    /// What makes the tokens that runs have; without it they have none.
    pub tokens: Option<RunTokens>,
}

/// What an executor works with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The event log.
    pub log: Log,
    /// What is alive.
    pub live: Live,
    /// Contents of data.
    pub objects: Objects,
    /// Where output goes.
    pub output: Output,
    /// What runs commands.
    pub backend: Arc<Backend>,
    /// The tasks of queues; without them workers are left to other executors.
    pub tasks: Option<Tasks>,
}

/// Why an executor does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log refused, or does not answer.
    #[error("the executor cannot use the event log: {0}")]
    Log(#[from] log::Error),
    /// The runs of an earlier start cannot be looked at.
    #[error("cannot look at the runs that are there: {0}")]
    Found(#[source] FoundError),
    /// The cache of data cannot be used.
    #[error(transparent)]
    Cache(#[from] crate::data::Error),
}

/// How an executor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It goes on.
    No,
    /// Its runs go on without it, to be adopted at the next start.
    LeaveRuns,
    /// Its runs end first.
    EndRuns,
}

/// An executor that took up what an earlier start left.
#[derive(Debug)]
pub struct Executor {
    shared: Arc<Shared>,
    lives: JoinSet<()>,
}

/// What the lives of all runs share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    tools: Tools,
    cache: Cache,
    /// Grows when the log says that the one before is lost.
    epoch: AtomicU32,
    stop: watch::Receiver<Stop>,
    ledger: Mutex<Ledger>,
    early: Early,
    /// Told when a run has given its memory back.
    room: Notify,
    /// Told when a lost executor may have left something.
    left: Notify,
    queues: Option<Queues>,
}

/// Which runs there are.
#[derive(Debug, Default)]
struct Ledger {
    runs: HashMap<JobId, Held>,
    mem_mib: u64,
}

/// A run that this executor has, or is about to claim.
#[derive(Debug)]
struct Held {
    mem_mib: u64,
    /// What it is, once it is claimed.
    run: Option<RunId>,
    /// What the log wants of it.
    wish: watch::Sender<Wish>,
    /// Whether the log wants it to stand still.
    frozen: watch::Sender<bool>,
}

/// What the log wants of a run, as the run hears it.
#[derive(Clone, Debug)]
struct Wished {
    wish: watch::Receiver<Wish>,
    frozen: watch::Receiver<bool>,
}

/// What the log wants of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wish {
    /// It goes on.
    GoOn,
    /// It is to end.
    End,
    /// It is over, or another's: nothing of it may be left, and nothing is to be told of it.
    Drop,
}

/// What the log says of this executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// It is the one that it thinks it is.
    Current,
    /// It was silent for too long.
    Lost,
    /// Another process goes by its name.
    Replaced,
}

// === impl Executor ===

impl Executor {
    /// Takes up the runs of an earlier start, and says so in the log.
    pub async fn start(
        settings: Settings,
        tools: Tools,
        stop: watch::Receiver<Stop>,
    ) -> Result<Self, Error> {
        adopt::start(settings, tools, stop).await
    }

    /// Claims and runs jobs until it is stopped.
    pub async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut changes = shared.tools.live.changes();
        let mut expected = shared.tools.live.expected();
        let mut stop = shared.stop.clone();
        let mut beats = tokio::time::interval(shared.settings.terms.pause());
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tidying = JoinSet::new();
        tidying.spawn(reconcile::tidy(Arc::clone(&shared)));
        self.look_at_everything();
        loop {
            match shared.rank() {
                Rank::Current => {}
                Rank::Lost => tokio::select! {
                    biased;
                    () = until_stopped(&mut stop) => break,
                    () = self.begin_anew() => self.look_at_everything(),
                },
                Rank::Replaced => {
                    tracing::error!(
                        "executor.replaced: another process runs jobs by this one's name"
                    );
                    break;
                }
            }
            tokio::select! {
                biased;
                () = until_stopped(&mut stop) => break,
                // From the loop itself: who does not turn gives no sign of life.
                _ = beats.tick() => shared.beat().await,
                change = changes.recv() => match change {
                    Ok(Change::Job(id)) => self.look_at(id),
                    Ok(Change::Executor(id)) if id == shared.settings.id => self.look_at_everything(),
                    // Where one worker of a queue is, the others may go as well.
                    Ok(Change::Service(id)) => self.look_at_workers(id),
                    Ok(Change::Executor(_)) => {}
                    Err(RecvError::Lagged(_)) => self.look_at_everything(),
                    Err(RecvError::Closed) => break,
                },
                () = shared.room.notified() => self.look_at_everything(),
                Ok(expected) = expected.recv() => {
                    self.lives.spawn(early::make(Arc::clone(&shared), expected));
                }
                Some(_) = self.lives.join_next() => {}
            }
        }
        let how = *stop.borrow();
        if how == Stop::EndRuns {
            while self.lives.join_next().await.is_some() {}
        }
        tidying.shutdown().await;
        self.lives.shutdown().await;
        shared.expect_nothing().await;
        shared.tools.backend.close().await;
        shared.say_stopped().await;
    }

    fn look_at_everything(&mut self) {
        self.shared.heed_all();
        let mut waiting = self.shared.tools.live.jobs();
        waiting.retain(|job| job.phase.is_alive());
        waiting.sort_unstable_by_key(|job| job.since);
        for job in waiting {
            self.look_at(job.id);
        }
    }

    fn look_at_workers(&mut self, service: ServiceId) {
        for job in self.shared.tools.live.worker_jobs(service) {
            if job.phase == Phase::Queuing {
                self.look_at(job.id);
            }
        }
    }

    fn look_at(&mut self, id: JobId) {
        let Some(job) = self.shared.tools.live.job(id) else {
            return;
        };
        self.shared.heed(&job);
        if !job.phase.is_alive() && self.shared.is_anybody_lost() {
            self.shared.left.notify_one();
        }
        if job.phase == Phase::Queuing && self.shared.may_claim() && self.shared.may_work(&job) {
            let shared = Arc::clone(&self.shared);
            self.lives.spawn(claim::claim_and_live(shared, job));
        }
    }
}

// === impl Shared ===

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// What the log says of this executor, as far as it was heard.
    fn rank(&self) -> Rank {
        let Some(now) = self.tools.live.executor(self.settings.id) else {
            return Rank::Current;
        };
        match now.epoch.cmp(&self.epoch()) {
            std::cmp::Ordering::Greater => Rank::Replaced,
            std::cmp::Ordering::Equal if now.lost => Rank::Lost,
            _ => Rank::Current,
        }
    }

    /// Whether it may take jobs.
    fn may_claim(&self) -> bool {
        let now = self.tools.live.executor(self.settings.id);
        now.is_none_or(|now| !now.draining && !now.lost)
    }

    fn is_anybody_lost(&self) -> bool {
        let executors = self.tools.live.executors();
        executors.iter().any(|executor| executor.lost)
    }

    /// Whether it may take a job as far as the other workers of its queue go: one executor has all of them.
    ///
    /// Where nobody has any, the first is competed for, and whoever gets it has the others.
    fn may_work(&self, job: &LiveJob) -> bool {
        let (Some(service), Some(index)) = (job.service, job.worker) else {
            return true;
        };
        if self.queues.is_none() {
            return false;
        }
        let workers = self.tools.live.worker_jobs(service);
        let mut claims = workers.iter().filter_map(|worker| {
            let held = worker.phase != Phase::Queuing && !self.tools.live.is_abandoned(worker);
            worker.claim.filter(|_| held)
        });
        if let Some(claim) = claims.next() {
            return claim.executor == self.settings.id;
        }
        let mut waiting = workers
            .iter()
            .filter(|worker| worker.phase == Phase::Queuing);
        waiting.all(|other| other.worker.is_none_or(|other| other >= index))
    }

    /// Gives a sign of life.
    async fn beat(&self) {
        let running = u32::try_from(self.ledger().runs.len()).unwrap_or(u32::MAX);
        let beat = Beat {
            executor: self.settings.id,
            epoch: self.epoch(),
            running,
        };
        self.tools.log.beat(beat).await;
    }

    /// Tells a run that is held what the log wants of it.
    fn heed(&self, job: &LiveJob) {
        if let Some(held) = self.ledger().runs.get(&job.id) {
            held.heed(job);
        }
    }

    fn heed_all(&self) {
        for (id, held) in &self.ledger().runs {
            if let Some(job) = self.tools.live.job(*id) {
                held.heed(&job);
            }
        }
    }

    /// Sets a run's memory aside; nothing where the job is held already, or has to wait for room.
    fn hold(&self, job: JobId, mem_mib: u64) -> Option<Wished> {
        let mut ledger = self.ledger();
        if ledger.runs.contains_key(&job) || !ledger.fits(mem_mib, self.settings.mem_mib) {
            return None;
        }
        Some(ledger.insert(job, mem_mib, None, (Wish::GoOn, false)))
    }

    /// Whether a run could be held now.
    fn has_room(&self, mem_mib: u64) -> bool {
        self.ledger().fits(mem_mib, self.settings.mem_mib)
    }

    fn release(&self, job: JobId) {
        let mut ledger = self.ledger();
        if let Some(held) = ledger.runs.remove(&job) {
            ledger.mem_mib -= held.mem_mib;
        }
        drop(ledger);
        self.room.notify_one();
    }
}

impl Ledger {
    /// Holds a run; what is given tells what the log wants of it.
    fn insert(
        &mut self,
        job: JobId,
        mem_mib: u64,
        run: Option<RunId>,
        (wish, frozen): (Wish, bool),
    ) -> Wished {
        let (wish, wished) = watch::channel(wish);
        let (frozen, is_frozen) = watch::channel(frozen);
        self.mem_mib += mem_mib;
        let held = Held {
            mem_mib,
            run,
            wish,
            frozen,
        };
        self.runs.insert(job, held);
        Wished {
            wish: wished,
            frozen: is_frozen,
        }
    }

    /// Whether a run's memory is there beside that of the others.
    fn fits(&self, mem_mib: u64, most: u64) -> bool {
        self.runs.is_empty() || self.mem_mib.saturating_add(mem_mib) <= most
    }

    /// Whether a run is held, or may be: it is claimed at this moment.
    fn holds(&self, run: RunId) -> bool {
        let held = self.runs.get(&run.job);
        held.is_some_and(|held| held.run.is_none_or(|held| held == run))
    }
}

// === impl Held ===

impl Held {
    fn heed(&self, job: &LiveJob) {
        let claim = job.claim.map(|claim| claim.claim);
        if (self.run).is_some_and(|run| run.run == job.run && Some(run.claim) == claim) {
            self.frozen.send_if_modified(|now| {
                let news = *now != job.frozen;
                *now = job.frozen;
                news
            });
        }
        let wish = match self.run {
            Some(run) if is_taken(run, job) => Wish::Drop,
            _ if job.phase == Phase::Cancelling => Wish::End,
            _ => return,
        };
        self.wish.send_if_modified(|now| {
            let news = *now < wish;
            if news {
                *now = wish;
            }
            news
        });
    }
}

/// Whether the log says that a run is over, or another's. What is alive may be older than the claim.
fn is_taken(run: RunId, job: &LiveJob) -> bool {
    let claim = job.claim.map_or(0, |claim| claim.claim);
    match job.run.cmp(&run.run) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => !job.phase.is_alive() || claim > run.claim,
        std::cmp::Ordering::Less => false,
    }
}

/// Waits until the executor is to end; also where nobody is left to say so.
async fn until_stopped(stop: &mut watch::Receiver<Stop>) {
    drop(stop.wait_for(|stop| *stop != Stop::No).await);
}

/// The name of a run's folder.
fn folder_name(run: RunId) -> String {
    format!("{}.{}.{}", run.job, run.run, run.claim)
}
