//! The roles of the platform in one process: NATS, log, views, and what the API needs of them.

use std::sync::Arc;
use std::time::Duration;

use eai_core::log::objects::{self, Objects};
use eai_core::log::output::{self, Output};
use eai_core::log::tasks::{Purger, Tasks};
use eai_core::log::{
    self, Connection, Fsync, Log, LogKind, Settings, check_server, connect, set_up, set_up_tasks,
};
use eai_executors::executor::{RunTokens, Stop};
use eai_projections::{Store, Views};
use eai_proxy::api::{Facts, Imports, MOST_FOLLOWERS, Platform, Readiness, Shared, Urls};
use eai_proxy::auth::{Gate, Rates, RunOf, Tokens};
use eai_proxy::content::{self, Contents};
use eai_proxy::door::Codes;
use eai_proxy::metrics::Meters;
use eai_proxy::task;
use nkeys::KeyPair;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::backend::{self, Chosen};
use super::bootstrap;
use super::data_dir::DataDir;
use super::images::BackendImages;
use super::monitors::NatsMonitors;
use super::nats::{self, Search, Supervisor, Timeouts, WebSocket};
use super::places::places;
use super::restore::Begin;
use super::work::{Alive, Parts, Work};
use crate::args::ServeArgs;

/// The size of the event log where nothing is asked.
const LOG_BYTES: u64 = 8 << 30;
/// The size of the log of tasks where nothing is asked.
const TASKS_BYTES: u64 = 4 << 30;
/// The size of the object store where nothing is asked.
const DATA_BYTES: u64 = 64 << 30;
/// The size of what is kept of job output.
const OUTPUT_BYTES: u64 = 4 << 30;
/// How long a command may wait for the log.
const COMMAND_DEADLINE: Duration = Duration::from_secs(10);
/// How long the views may take to have what the first start made; a rebuild may take longer.
const VIEWS_DEADLINE: Duration = Duration::from_secs(10);

/// How long the views may take to have the whole log before jobs are taken up.
const TAKE_UP_DEADLINE: Duration = Duration::from_mins(1);

/// How long the platform waits for the log to be read whole before it serves.
const SCRUB_HEAD_START: Duration = Duration::from_secs(3);

/// Everything that runs beside the listener.
pub(crate) struct Roles {
    pub(crate) platform: Shared,
    work: Work,
    background: Background,
    supervisor: Supervisor,
}

/// What runs in the background until `stop`.
struct Background {
    projector: JoinHandle<()>,
    scrubber: JoinHandle<()>,
    sweepers: [JoinHandle<()>; 2],
    stop: CancellationToken,
}

/// The logs, and what is kept beside them.
struct Stored {
    log: Log,
    /// For those who follow the log.
    followers: Log,
    tasks: Log,
    objects: Objects,
    output: Output,
    purger: Connection,
    /// May tell the server of accounts.
    system: Connection,
}

impl Roles {
    /// Brings the roles up, each once what it needs is there.
    pub(crate) async fn start(
        args: &ServeArgs,
        data: &DataDir,
        begin: Begin<'_>,
        urls: Urls,
        readiness: watch::Receiver<Readiness>,
    ) -> Result<Self, Error> {
        let supervisor = Supervisor::start(nats::Settings {
            data: data.path().to_owned(),
            account: data.account().to_string(),
            platform: data.platform().to_string(),
            port: data.nats_port(),
            websocket: args.nats_websocket.map(|address| WebSocket {
                address,
                origins: args.nats_websocket_origin.clone(),
            }),
            search: Search::from_process(args.nats_server.clone()),
            log_max_bytes: log_bytes(args),
            tasks_max_bytes: tasks_bytes(args),
            data_max_bytes: data_bytes(args),
            unsafe_fsync: args.unsafe_fsync,
            timeouts: Timeouts::default(),
        })
        .await?;
        let started = tokio::select! {
            started = Self::on(&supervisor, (args, data, begin), urls, readiness) => started,
            () = begin.given_up() => Err(Error::Interrupted),
        };
        match started {
            Ok((platform, work, background)) => Ok(Self {
                platform,
                work,
                background,
                supervisor,
            }),
            Err(error) => {
                // Nobody would be left to end it.
                supervisor.stop().await?;
                Err(error)
            }
        }
    }

    async fn on(
        supervisor: &Supervisor,
        (args, data, begin): (&ServeArgs, &DataDir, Begin<'_>),
        urls: Urls,
        readiness: watch::Receiver<Readiness>,
    ) -> Result<(Shared, Work, Background), Error> {
        let Stored {
            log,
            followers,
            tasks,
            objects,
            output,
            purger,
            system,
        } = open_logs(args, data, supervisor).await?;
        begin.put_back(&log, data).await?;
        let store = eai_projections::open(&data.views())
            .await
            .map_err(Error::Views)?;
        let views = store.views();
        let stop = CancellationToken::new();
        let projector = tokio::spawn(store.projector(log.clone()).run(stop.clone()));
        found(&store, &log, data, begin).await?;
        let mut scrubber = tokio::spawn(store.clone().scrub(log.clone(), stop.clone()));
        // A log of usual size is read whole before anything is served from it; a large one meanwhile.
        if let Ok(scrubbed) = tokio::time::timeout(SCRUB_HEAD_START, &mut scrubber).await {
            scrubbed.map_err(Error::Task)?;
        }

        let seed = supervisor.signing_key();
        let chosen = if begin.only_looks() {
            Chosen::nothing()
        } else {
            Box::pin(backend::choose(args, data)).await?
        };
        // Asked first: what is alive is not loaded from views that turn out not to be sound.
        let damaged = is_damaged(&log, &views).await?;
        let tasks = Tasks::new(tasks);
        let alive = Alive::load(&views, &log, &tasks).await?;
        if let Some(reason) = views.halted()
            && !matches!(begin, Begin::AsItIs)
        {
            return Err(Error::Unfoldable { reason });
        }
        if let Begin::From(restoring) = begin {
            restoring.interrupt(&log, &alive.live, data).await?;
        }
        let facts = facts(supervisor, data, &urls, &chosen);
        let tokens = Tokens::new(data.platform(), copy(seed)?);
        let nats = (system, log.connection().clone());
        let monitors = NatsMonitors::new(
            supervisor.keys().clone(),
            data.account().clone(),
            nats,
            views.clone(),
        );
        let tools = (log.clone(), objects.clone(), output.clone(), tasks.clone());
        let platform = Platform {
            log,
            followers,
            live: alive.live.clone(),
            beats: alive.beats.clone(),
            queues: alive.queues.clone(),
            purger: Purger::new(tasks.clone(), purger),
            tasks,
            contents: Contents::new(objects, data.path().to_owned(), data.is_restored()),
            output,
            images: Imports::new(Arc::new(BackendImages::new(&chosen))),
            follower_slots: Arc::new(Semaphore::new(MOST_FOLLOWERS)),
            store,
            views,
            tokens,
            monitors: Arc::new(monitors),
            gate: Gate::default(),
            rates: Rates::new(args.api_rate),
            meters: Meters::default(),
            codes: Codes::default(),
            account: data.account().clone(),
            urls,
            places: places(data.path()),
            facts,
            readiness,
        };
        let platform = Arc::new(platform);
        if !damaged {
            // What a platform that was killed had in the log and not told yet.
            platform.monitors.settle().await?;
        }
        let runs = (platform.urls.platform(), run_tokens(&platform));
        let parts = Parts::new(args, data, runs, &chosen, tools);
        let work = if begin.only_looks() {
            Work::none(alive)
        } else if damaged {
            Work::once_sound(alive, parts, platform.views.clone())
        } else {
            Box::pin(Work::start(alive, parts)).await?
        };
        let sweepers = [
            tokio::spawn(content::sweep(Arc::clone(&platform), stop.clone())),
            tokio::spawn(task::sweep(Arc::clone(&platform), stop.clone())),
        ];
        let background = Background {
            projector,
            scrubber,
            sweepers,
            stop,
        };
        Ok((platform, work, background))
    }

    /// Takes the roles down in the opposite order.
    pub(crate) async fn stop(self, runs: Stop) -> Result<(), Error> {
        self.work.stop(runs).await?;
        let Background {
            projector,
            scrubber,
            sweepers,
            stop,
        } = self.background;
        stop.cancel();
        for sweeper in sweepers {
            sweeper.await.map_err(Error::Task)?;
        }
        if !scrubber.is_finished() {
            scrubber.await.map_err(Error::Task)?;
        }
        projector.await.map_err(Error::Task)?;
        self.supervisor.stop().await?;
        Ok(())
    }
}

/// Makes what a platform begins with, where the views may be believed.
async fn found(store: &Store, log: &Log, data: &DataDir, begin: Begin<'_>) -> Result<(), Error> {
    let views = store.views();
    // A platform whose views are halted still comes up, to say why and to let them be rebuilt; but
    // nothing is added to a log that is not the one they were folded from.
    match store.check(log).await {
        Ok(()) if begin.only_looks() => {}
        Ok(()) => match bootstrap::found(log, data).await {
            Ok(sequence) => {
                if let Err(error) = views.until(sequence, VIEWS_DEADLINE).await {
                    tracing::warn!(%error, "views.late");
                }
            }
            Err(Error::Log { step, source }) => store
                .halt_on_damage(source)
                .map_err(|source| Error::Log { step, source })?,
            Err(error) => return Err(error),
        },
        Err(_) if views.halted().is_some() => {}
        Err(error) => return Err(Error::Views(error)),
    }
    Ok(())
}

/// What the platform tells of itself.
fn facts(supervisor: &Supervisor, data: &DataDir, urls: &Urls, chosen: &Chosen) -> Facts {
    Facts {
        platform: data.platform(),
        version: env!("CARGO_PKG_VERSION").into(),
        url: urls.platform(),
        nats_url: supervisor.url(),
        monitor_creds: supervisor.monitor_file().display().to_string(),
        data_directory: data.path().display().to_string(),
        backend: chosen.name.into(),
        backend_reason: chosen.reason.clone(),
        nats_version: supervisor.version().to_string(),
    }
}

/// What gives runs the tokens that they act for their services with.
fn run_tokens(platform: &Arc<Platform>) -> RunTokens {
    let platform = Arc::clone(platform);
    RunTokens::new(move |account, job, run| {
        let of = RunOf { job, run };
        let now = OffsetDateTime::now_utc();
        let claims = platform.tokens.of_run(of, account.clone(), now);
        let token = platform.tokens.sign(&claims);
        token
            .inspect_err(|error| tracing::error!(%error, "run.token"))
            .ok()
    })
}

/// Whether the views are halted, or come to be so on their way to the end of the log.
async fn is_damaged(log: &Log, views: &Views) -> Result<bool, Error> {
    if views.halted().is_some() {
        return Ok(true);
    }
    let newest = log.last_sequence().await.map_err(|source| Error::Log {
        step: "find the end of the event log",
        source,
    })?;
    if let Err(error) = views.until(newest, TAKE_UP_DEADLINE).await {
        tracing::warn!(%error, "views.late");
    }
    Ok(views.halted().is_some())
}

/// The logs of the platform itself, and for those who follow it; contents and output beside them.
async fn open_logs(
    args: &ServeArgs,
    data: &DataDir,
    supervisor: &Supervisor,
) -> Result<Stored, Error> {
    let url = supervisor.url();
    let fsync = if args.unsafe_fsync {
        Fsync::Unsafe
    } else {
        Fsync::Required
    };
    let system = connect(&url, supervisor.system_creds(), "eai-system", "_INBOX").await?;
    check_server(&system, fsync).await?;
    let setup = connect(
        &url,
        &supervisor.setup_creds()?,
        "eai-setup",
        "_INBOX_setup",
    )
    .await?;
    set_up(&setup, log_bytes(args)).await?;
    set_up_tasks(&setup, tasks_bytes(args)).await?;
    objects::set_up(&setup, data_bytes(args)).await?;
    output::set_up(&setup, OUTPUT_BYTES).await?;
    let settings = Settings {
        platform: data.platform(),
        deadline: COMMAND_DEADLINE,
        snapshots: Some(data.path().join("snapshots")),
        #[cfg(feature = "sabotage")]
        sabotage: super::sabotage::from_environment()?,
    };
    let open = async |name, kind| -> Result<Log, Error> {
        let inbox = log::credentials::PLATFORM_INBOX;
        let connection = connect(&url, supervisor.platform_creds(), name, inbox).await?;
        let opened = match kind {
            LogKind::Events => Log::open(connection, settings.clone()).await,
            LogKind::Tasks => Log::open_tasks(connection, settings.clone()).await,
        };
        opened.map_err(|source| Error::Log {
            step: "open a log",
            source,
        })
    };
    // Bulk goes over a connection of its own, so that it costs commands nothing.
    let inbox = log::credentials::PLATFORM_INBOX;
    let bulk = connect(&url, supervisor.platform_creds(), "eai-objects", inbox).await?;
    let logs = connect(&url, supervisor.platform_creds(), "eai-output", inbox).await?;
    let inbox = log::credentials::CLEANER_INBOX;
    let cleaner = connect(&url, &supervisor.cleaner_creds()?, "eai-cleaner", inbox).await?;
    let objects = Objects::new(bulk, cleaner.clone(), data_bytes(args));
    let output = Output::open(logs, cleaner.clone());
    Ok(Stored {
        log: open("eai-platform", LogKind::Events).await?,
        followers: open("eai-followers", LogKind::Events).await?,
        tasks: open("eai-tasks", LogKind::Tasks).await?,
        objects,
        output,
        purger: cleaner,
        system,
    })
}

fn log_bytes(args: &ServeArgs) -> u64 {
    args.log_max_bytes.map_or(LOG_BYTES, |size| size.as_u64())
}

fn tasks_bytes(args: &ServeArgs) -> u64 {
    args.tasks_max_bytes
        .map_or(TASKS_BYTES, |size| size.as_u64())
}

fn data_bytes(args: &ServeArgs) -> u64 {
    args.data_max_bytes.map_or(DATA_BYTES, |size| size.as_u64())
}

/// A key pair is not cloneable, but its seed makes another one.
fn copy(key: &KeyPair) -> Result<KeyPair, Error> {
    let seed = key.seed().map_err(eai_core::jws::Error::Key)?;
    Ok(KeyPair::from_seed(&seed).map_err(eai_core::jws::Error::Key)?)
}
