//! What makes services run: routes in memory, policies, and the executor of this machine.

use std::convert::Infallible;
use std::sync::Arc;

use eai_core::lease::Terms;
use eai_core::log::live::{Feed, Live, Snapshot};
use eai_core::log::objects::Objects;
use eai_core::log::output::Output;
use eai_core::log::tasks::{self, Tasks};
use eai_core::log::{Beats, Controller, Log, Policies, Queues, Usual, WorkerBeats};
use eai_executors::backend::Backend;
use eai_executors::executor::{Executor, RunTokens, Settings, Stop, Tools};
use eai_projections::Views;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Error;
use super::backend::Chosen;
use super::data_dir::DataDir;
use super::health_files;
use crate::args::ServeArgs;

/// What is alive, and what follows the log for it.
pub(crate) struct Alive {
    pub(crate) live: Live,
    pub(crate) beats: Beats,
    pub(crate) queues: Queues,
    feed: JoinHandle<()>,
    tasks: JoinHandle<()>,
    ears: JoinHandle<Infallible>,
    worker_ears: JoinHandle<Infallible>,
    health_files: JoinHandle<()>,
}

/// The executor and the policies, once they run.
pub(crate) struct Work {
    alive: Alive,
    started: Start,
    stop: watch::Sender<Stop>,
}

/// Whether it runs already.
enum Start {
    Never,
    Done(Started),
    Awaited(JoinHandle<Result<Started, Error>>),
}

/// What runs once the views may be believed.
struct Started {
    controller: JoinHandle<()>,
    executor: Option<JoinHandle<()>>,
}

/// What the executor and the policies are made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) log: Log,
    pub(crate) objects: Objects,
    pub(crate) output: Output,
    pub(crate) tasks: Tasks,
    pub(crate) backend: Option<Arc<Backend>>,
    pub(crate) policies: Policies,
}

// === impl Alive ===

impl Alive {
    /// Loads what is alive from the views, or all of it from the log where they may not be believed; and the tasks.
    pub(crate) async fn load(views: &Views, log: &Log, tasks: &Tasks) -> Result<Self, Error> {
        tasks.load().await.map_err(|source| Error::Log {
            step: "read the log of tasks",
            source,
        })?;
        let snapshot = match views.alive().await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, "live.from_the_log");
                Snapshot::default()
            }
        };
        let live = Live::new(snapshot);
        let feed = tokio::spawn(Feed::new(live.clone(), log.clone()).run());
        let followed = tokio::spawn(tasks::Feed::new(tasks.clone()).run());
        let beats = Beats::new(log.clone());
        let ears = beats.clone();
        let ears = tokio::spawn(async move { ears.listen().await });
        let worker_beats = WorkerBeats::new(log.clone());
        let share = super::share::folder();
        let queues = Queues::new(
            log.clone(),
            live.clone(),
            worker_beats.clone(),
            tasks.clone(),
            share,
        );
        let worker_ears = tokio::spawn(async move { worker_beats.listen().await });
        let health_files = health_files::write_changes(live.clone(), queues.clone());
        let health_files = tokio::spawn(health_files);
        Ok(Self {
            live,
            beats,
            queues,
            feed,
            tasks: followed,
            ears,
            worker_ears,
            health_files,
        })
    }
}

impl Alive {
    fn parts(&self) -> (Live, Beats, Queues) {
        (self.live.clone(), self.beats.clone(), self.queues.clone())
    }
}

// === impl Parts ===

impl Parts {
    /// For the executor of this machine.
    pub(crate) fn new(
        args: &ServeArgs,
        data: &DataDir,
        (console_url, tokens): (String, RunTokens),
        chosen: &Chosen,
        (log, objects, output, tasks): (Log, Objects, Output, Tasks),
    ) -> Self {
        let settings = Settings {
            id: data.executor(),
            account: data.account().clone(),
            console_url,
            start_timeout: args.start_timeout.into(),
            cpu_milli: cores() * 1000,
            mem_mib: memory_mib(),
            cache: data.path().join("cache"),
            default_image: args.default_image.as_ref().map(ToString::to_string),
            terms: Terms::new(args.executor_lease.into()),
            tokens: Some(tokens),
        };
        Self {
            settings,
            log,
            objects,
            output,
            tasks,
            backend: chosen.backend.clone(),
            policies: Policies {
                usual: Usual {
                    idle_timeout: args.idle_timeout.into(),
                    restart_limit: args.restart_limit,
                },
                drain: args.drain_timeout.into(),
            },
        }
    }

    /// Takes up what an earlier start left, and takes jobs from now on.
    async fn start(
        self,
        (live, beats, queues): (Live, Beats, Queues),
        stopped: watch::Receiver<Stop>,
    ) -> Result<Started, Error> {
        let terms = self.settings.terms;
        let mut executor = None;
        if let Some(backend) = self.backend {
            let tools = Tools {
                log: self.log.clone(),
                live: live.clone(),
                objects: self.objects,
                output: self.output,
                backend,
                tasks: Some(self.tasks),
            };
            let started = Executor::start(self.settings, tools, stopped).await?;
            executor = Some(tokio::spawn(started.run()));
        }
        // Only now: what an earlier start left is given up by nobody before it is looked at.
        let controller = Controller::new(self.log, live, beats, terms, queues, self.policies);
        Ok(Started {
            controller: tokio::spawn(controller.run()),
            executor,
        })
    }
}

// === impl Work ===

impl Work {
    /// Takes up what an earlier start left, and takes jobs from now on.
    pub(crate) async fn start(alive: Alive, parts: Parts) -> Result<Self, Error> {
        let (stop, stopped) = watch::channel(Stop::No);
        let started = parts.start(alive.parts(), stopped);
        let started = Box::pin(started).await?;
        Ok(Self {
            alive,
            started: Start::Done(started),
            stop,
        })
    }

    /// Nothing is taken up, and nothing decided.
    pub(crate) fn none(alive: Alive) -> Self {
        let (stop, _) = watch::channel(Stop::No);
        Self {
            alive,
            started: Start::Never,
            stop,
        }
    }

    /// Does what [`Work::start`] does once the views, which are halted, were folded anew: nothing may be decided on them before.
    pub(crate) fn once_sound(alive: Alive, parts: Parts, views: Views) -> Self {
        let (stop, stopped) = watch::channel(Stop::No);
        let of = alive.parts();
        let started = tokio::spawn(async move {
            views.until_sound().await;
            let started = Box::pin(parts.start(of, stopped)).await;
            match &started {
                Ok(_) => tracing::info!("work.started: the views are sound again"),
                Err(error) => tracing::error!(%error, "work.failed: start the platform again"),
            }
            started
        });
        Self {
            alive,
            started: Start::Awaited(started),
            stop,
        }
    }

    /// Ends what runs here; runs of jobs go on, or end first.
    pub(crate) async fn stop(self, how: Stop) -> Result<(), Error> {
        let started = match self.started {
            Start::Never => None,
            Start::Done(started) => Some(started),
            // Where it failed, that was said when it happened.
            Start::Awaited(task) if task.is_finished() => task.await.map_err(Error::Task)?.ok(),
            Start::Awaited(task) => {
                task.abort();
                None
            }
        };
        if let Some(Started {
            controller,
            executor,
        }) = started
        {
            // A policy is safe to end anywhere: what it means, it means again at the next start.
            controller.abort();
            self.stop.send_replace(how);
            if let Some(executor) = executor {
                executor.await.map_err(Error::Task)?;
            }
        }
        self.alive.feed.abort();
        self.alive.tasks.abort();
        self.alive.ears.abort();
        self.alive.worker_ears.abort();
        self.alive.health_files.abort();
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
