//! Another executor of a platform that runs: its own process, its own sandboxes or containers, the platform's log.
//!
//! `executor NATS-URL CREDENTIALS CLEANER-CREDENTIALS FOLDER SHIM PLATFORM EXECUTOR ACCOUNT IMAGE LEASE-MS`
//!
//! Without an image it has sandboxes, with one containers.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use eai_core::ids::{ExecutorId, PlatformId};
use eai_core::lease::Terms;
use eai_core::log::credentials::{CLEANER_INBOX, PLATFORM_INBOX};
use eai_core::log::live::{Feed, Live, Snapshot};
use eai_core::log::objects::Objects;
use eai_core::log::output::Output;
use eai_core::log::tasks::{self, Tasks};
use eai_core::log::{Log, Settings, connect};
use eai_executors::backend::Backend;
use eai_executors::docker::{self, Docker, Owner};
use eai_executors::executor::{self, Executor, Stop, Tools};
use eai_executors::process::{self, Process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [
        url,
        credentials,
        cleaner,
        folder,
        shim,
        platform,
        id,
        account,
        image,
        lease,
    ] = args.as_slice()
    else {
        return Err("the arguments are ten".into());
    };
    let credentials = std::fs::read_to_string(credentials)?;
    let connect_as = |name: &'static str| connect(url, &credentials, name, PLATFORM_INBOX);
    let cleaner = std::fs::read_to_string(cleaner)?;
    let cleaner = connect(url, &cleaner, "test-cleaner", CLEANER_INBOX).await?;
    let settings = Settings::new(PlatformId(platform.parse()?), Duration::from_secs(10));
    let log = Log::open(connect_as("test-executor").await?, settings.clone()).await?;
    let tasks = Log::open_tasks(connect_as("test-tasks").await?, settings).await?;
    let tasks = Tasks::new(tasks);
    tasks.load().await?;
    tokio::spawn(tasks::Feed::new(tasks.clone()).run());
    let objects = Objects::new(connect_as("test-objects").await?, cleaner.clone(), u64::MAX);
    let output = Output::open(connect_as("test-output").await?, cleaner);
    let live = Live::new(Snapshot::default());
    tokio::spawn(Feed::new(live.clone(), log.clone()).run());

    let folder = std::path::PathBuf::from(folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let shim = vec![shim.into(), "shim".into()];
    let backend = if image.is_empty() {
        let settings = process::Settings::new(folder.join("runs"), shim, path);
        Backend::Process(Process::new(settings).await?)
    } else {
        let owner = Owner {
            platform: platform.clone(),
            executor: id.clone(),
        };
        let engine = std::env::var("DOCKER_HOST").ok();
        let settings = docker::Settings::new(owner, engine, folder.join("docker"), shim);
        Backend::Docker(Docker::new(settings).await?)
    };
    let settings = executor::Settings {
        id: ExecutorId(id.parse()?),
        account: account.parse()?,
        console_url: "http://localhost".to_owned(),
        start_timeout: Duration::from_mins(1),
        cpu_milli: 2000,
        mem_mib: 4096,
        cache: folder.join("cache"),
        default_image: (!image.is_empty()).then(|| image.clone()),
        terms: Terms::new(Duration::from_millis(lease.parse()?)),
        tokens: None,
    };
    let tools = Tools {
        log,
        live,
        objects,
        output,
        backend: Arc::new(backend),
        tasks: Some(tasks),
    };
    let (stop, stopped) = watch::channel(Stop::No);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        stop.send_replace(Stop::LeaveRuns);
    });
    Executor::start(settings, tools, stopped).await?.run().await;
    Ok(())
}
