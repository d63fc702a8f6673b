//! What makes services run: routes in memory, policies, and the executor of this machine.

use std::sync::Arc;

use eai_core::ids::ExecutorId;
use eai_core::log::live::{Feed, Live, Snapshot};
use eai_core::log::objects::Objects;
use eai_core::log::output::Output;
use eai_core::log::{Controller, Log};
use eai_executors::executor::{Executor, Settings, Stop, Tools};
use eai_projections::Views;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Error;
use super::backend::Chosen;
use super::data_dir::DataDir;
use crate::args::ServeArgs;

/// What is alive, and what follows the log for it.
pub(crate) struct Alive {
    pub(crate) live: Live,
    feed: JoinHandle<()>,
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

// === impl Work ===

impl Work {
    /// Takes up what an earlier start left, and takes jobs from now on.
    pub(crate) async fn start(
        args: &ServeArgs,
        data: &DataDir,
        url: String,
        alive: Alive,
        chosen: &Chosen,
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
        if let Some(backend) = &chosen.backend {
            let settings = Settings {
                id: ExecutorId(Uuid::new_v5(&data.platform().0, b"executor/0")),
                account: data.account().clone(),
                console_url: url,
                start_timeout: args.start_timeout.into(),
                cpu_milli: cores() * 1000,
                mem_mib: memory_mib(),
                cache: data.path().join("cache"),
                default_image: args.default_image.as_ref().map(ToString::to_string),
            };
            let tools = Tools {
                log: log.clone(),
                live: live.clone(),
                objects,
                output,
                backend: Arc::clone(backend),
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
