//! The executor: claims jobs that wait, brings each run to life, and tells the log what becomes of it.
//!
//! Work comes from what is alive in memory, and every claim is an append that one executor wins. It knows no
//! routes and no views.

mod adopt;
mod claim;
mod exit;
mod image;
mod life;
mod output;
mod probe;
mod ready;
mod report;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eai_core::executor::Run as RunId;
use eai_core::ids::{ExecutorId, JobId};
use eai_core::job::Phase;
use eai_core::log::live::{Change, Live};
use eai_core::log::objects::Objects;
use eai_core::log::output::Output;
use eai_core::log::{self, Log};
use eai_core::names::AccountName;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::backend::{Backend, FoundError};
use crate::data::Cache;

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
    epoch: u32,
    stop: watch::Receiver<Stop>,
    ledger: Mutex<Ledger>,
    /// Told when a run has given its memory back.
    room: Notify,
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
    /// Whether the log wants it to end.
    cancel: watch::Sender<bool>,
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
        let mut stop = shared.stop.clone();
        self.look_at_everything();
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop != Stop::No) => break,
                change = changes.recv() => match change {
                    Ok(Change::Job(id)) => self.look_at(id),
                    Ok(Change::Service(_)) => {}
                    Err(RecvError::Lagged(_)) => self.look_at_everything(),
                    Err(RecvError::Closed) => break,
                },
                () = shared.room.notified() => self.look_at_everything(),
                () = shared.tools.live.run_expected() => shared.tools.backend.expect(),
                Some(_) = self.lives.join_next() => {}
            }
        }
        let how = *stop.borrow();
        if how == Stop::EndRuns {
            while self.lives.join_next().await.is_some() {}
        }
        self.lives.shutdown().await;
        shared.tools.backend.close().await;
        shared.say_stopped().await;
    }

    fn look_at_everything(&mut self) {
        let mut waiting = self.shared.tools.live.jobs();
        waiting.retain(|job| job.phase.is_alive());
        waiting.sort_unstable_by_key(|job| job.since);
        for job in waiting {
            self.look_at(job.id);
        }
    }

    fn look_at(&mut self, id: JobId) {
        let Some(job) = self.shared.tools.live.job(id) else {
            return;
        };
        match job.phase {
            Phase::Queuing => {
                let shared = Arc::clone(&self.shared);
                self.lives.spawn(claim::claim_and_live(shared, job));
            }
            Phase::Cancelling => {
                if let Some(held) = self.shared.ledger().runs.get(&id) {
                    held.cancel.send_replace(true);
                }
            }
            _ => {}
        }
    }
}

// === impl Shared ===

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a run's memory aside; nothing where the job is held already, or has to wait for room.
    fn hold(&self, job: JobId, mem_mib: u64) -> Option<watch::Receiver<bool>> {
        let mut ledger = self.ledger();
        let fits = ledger.mem_mib.saturating_add(mem_mib) <= self.settings.mem_mib;
        if ledger.runs.contains_key(&job) || !(fits || ledger.runs.is_empty()) {
            return None;
        }
        Some(ledger.insert(job, mem_mib, false))
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
    /// Holds a run; what is given tells whether the log wants it to end, as it does now if it is `cancelling`.
    fn insert(&mut self, job: JobId, mem_mib: u64, cancelling: bool) -> watch::Receiver<bool> {
        let (cancel, cancelled) = watch::channel(cancelling);
        self.mem_mib += mem_mib;
        self.runs.insert(job, Held { mem_mib, cancel });
        cancelled
    }
}

/// The name of a run's folder.
fn folder_name(run: RunId) -> String {
    format!("{}.{}.{}", run.job, run.run, run.claim)
}
