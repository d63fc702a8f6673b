//! What makes services run: routes in memory, policies, and the executor of this machine.

use std::ffi::OsString;
use std::sync::Arc;

use eai_core::ids::ExecutorId;
use eai_core::log::live::{Feed, Live, Snapshot};
use eai_core::log::objects::Objects;
use eai_core::log::output::Output;
use eai_core::log::{Controller, Log};
use eai_executors::executor::{Executor, Settings, Stop, Tools};
use eai_executors::process::{self, Process, Unusable};
use eai_projections::Views;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Error;
use super::data_dir::DataDir;
use crate::args::ServeArgs;
use crate::env;

/// What is alive, and what follows the log for it.
pub(crate) struct Alive {
    pub(crate) live: Live,
    feed: JoinHandle<()>,
}

/// What jobs run with on this machine, and why.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
    process: Option<Arc<Process>>,
}

/// The executor and the policies, while they run.
pub(crate) struct Work {
    alive: Alive,
    controller: Option<JoinHandle<()>>,
    executor: Option<JoinHandle<()>>,
    stop: watch::Sender<Stop>,
}

// === impl Alive ===

impl Alive {
    /// Loads what is alive from the views, or all of it from the log where they may not be believed.
    pub(crate) async fn load(views: &Views, log: &Log) -> Self {
        let snapshot = match views.alive().await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, "live.from_the_log");
                Snapshot::default()
            }
        };
        let live = Live::new(snapshot);
        let feed = tokio::spawn(Feed::new(live.clone(), log.clone()).run());
        Self { live, feed }
    }
}

// === impl Backend ===

impl Backend {
    /// Finds out what jobs can run with.
    pub(crate) async fn find(data: &DataDir) -> Self {
        let none = |reason: String| Self {
            name: "none",
            reason,
            process: None,
        };
        let shim = match std::env::current_exe() {
            Ok(binary) => vec![binary.into_os_string(), OsString::from("shim")],
            Err(error) => return none(format!("the path of this program is not known: {error}")),
        };
        let path = std::env::var_os(env::PATH).unwrap_or_default();
        let settings = process::Settings::new(data.path().join("runs"), shim, path);
        match Process::new(settings).await {
            Ok(process) => Self {
                name: "process",
                reason: format!("bubblewrap works here; limits by {}", process.limits()),
                process: Some(Arc::new(process)),
            },
            Err(unusable) => {
                let reason = told(&unusable);
                tracing::warn!(reason, "server.no_backend: no job can run");
                none(reason)
            }
        }
    }
}

fn told(unusable: &Unusable) -> String {
    match std::error::Error::source(unusable) {
        Some(source) => format!("{unusable}: {source}"),
        None => unusable.to_string(),
    }
}

// === impl Work ===

impl Work {
    /// Takes up what an earlier start left, and takes jobs from now on.
    pub(crate) async fn start(
        args: &ServeArgs,
        data: &DataDir,
        url: String,
        alive: Alive,
        backend: &Backend,
        (log, objects, output): (Log, Objects, Output),
    ) -> Result<Self, Error> {
        let (stop, stopped) = watch::channel(Stop::No);
        let mut work = Self {
            alive,
            controller: None,
            executor: None,
            stop,
        };
        let live = &work.alive.live;
        if let Some(process) = &backend.process {
            let settings = Settings {
                id: ExecutorId(Uuid::new_v5(&data.platform().0, b"executor/0")),
                account: data.account().clone(),
                console_url: url,
                start_timeout: args.start_timeout.into(),
                cpu_milli: cores() * 1000,
                mem_mib: memory_mib(),
                cache: data.path().join("cache"),
            };
            let tools = Tools {
                log: log.clone(),
                live: live.clone(),
                objects,
                output,
                process: Arc::clone(process),
            };
            let executor = Executor::start(settings, tools, stopped).await?;
            work.executor = Some(tokio::spawn(executor.run()));
        }
        let controller = Controller::new(log, live.clone());
        work.controller = Some(tokio::spawn(controller.run()));
        Ok(work)
    }

    /// Nothing but what is alive: the views are halted, and nothing may be decided on them.
    pub(crate) fn idle(alive: Alive) -> Self {
        Self {
            alive,
            controller: None,
            executor: None,
            stop: watch::Sender::new(Stop::No),
        }
    }

    /// Ends what runs here; runs of jobs go on, or end first.
    pub(crate) async fn stop(self, how: Stop) -> Result<(), Error> {
        // A policy is safe to end anywhere: what it means, it means again at the next start.
        if let Some(controller) = self.controller {
            controller.abort();
        }
        self.stop.send_replace(how);
        if let Some(executor) = self.executor {
            executor.await.map_err(Error::Task)?;
        }
        self.alive.feed.abort();
        Ok(())
    }
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

fn memory_mib() -> u64 {
    let system = rustix::system::sysinfo();
    let bytes = system.totalram.saturating_mul(u64::from(system.mem_unit));
    bytes >> 20
}
