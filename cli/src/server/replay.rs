//! An export as something that can be asked: a log and views in a temporary directory, and the API over them.
//!
//! The questions are those of a platform, answered by the same code. Nothing is decided on what is there, and nothing
//! runs: the log stays what the export has. All of it is gone at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser as _;
use eai_executors::executor::Stop;
use eai_proxy::api::{Readiness, Urls};
use eai_proxy::auth::Kind;
use eai_proxy::listener::{Limits, serve};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::data_dir::DataDir;
use super::restore::{Begin, Restoring};
use super::roles::Roles;
use super::{Error, bootstrap, signals, site, traffic};
use crate::args::{Cli, Noun, ServeArgs};

/// The port in the URLs that are shown: that of a platform where nobody chose one.
const SHOWN_PORT: u16 = 8080;
/// How long the views may take to have the whole log.
const PATIENCE: Duration = Duration::from_hours(1);
/// What the streams beside the log may have: nothing comes into them.
const LITTLE: ByteSize = ByteSize::mib(64);

/// An export that answers.
pub(crate) struct Replay {
    /// Where it is asked.
    pub(crate) url: String,
    /// Who asks: whoever the platform belonged to.
    pub(crate) token: String,
    roles: Box<Roles>,
    served: CancellationToken,
    serving: JoinHandle<()>,
    folder: TempDir,
    /// Says that it serves for as long as it is there.
    readiness: watch::Sender<Readiness>,
}

impl Replay {
    /// Stores and folds an export.
    pub(crate) async fn start(file: &Path) -> Result<Self, Error> {
        let restoring = Restoring::verified(file)?;
        let folder = tempfile::tempdir().map_err(|source| Error::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let args = arguments(folder.path(), file)?;
        let data = DataDir::open(&args.data_dir, None, None, Some(&restoring.beginning()))?;
        let listen = |source| Error::Listen {
            address: args.listen,
            source,
        };
        let listener = TcpListener::bind(args.listen).await.map_err(listen)?;
        let url = format!("http://{}", listener.local_addr().map_err(listen)?);
        let urls = Urls::of_listener(&args.domain, SHOWN_PORT, false);
        let (readiness, ready) = watch::channel(Readiness::Starting);
        let interrupted = CancellationToken::new();
        let signals = tokio::spawn(tell(interrupted.clone()));
        let begin = Begin::LookAt(&restoring, &interrupted);
        let roles = Roles::start(&args, &data, begin, urls, ready).await;
        signals.abort();
        let roles = Box::new(roles?);
        let platform = &roles.platform;
        let newest = platform.log.last_sequence().await;
        let newest = newest.map_err(|source| Error::Log {
            step: "find the end of the event log",
            source,
        })?;
        let folded = platform.views.until(newest, PATIENCE).await;
        folded.map_err(Error::Views)?;
        let now = OffsetDateTime::now_utc();
        let (admin, account) = (bootstrap::admin(&data), data.account().clone());
        let claims = platform
            .tokens
            .claims(admin, account, Kind::Access, Uuid::new_v4(), now);
        let token = platform.tokens.sign(&claims)?;
        let (traffic, _) = traffic(&args, &data, platform);
        let served = CancellationToken::new();
        let site = site(&args, &Arc::clone(platform), traffic);
        let serving = serve(listener, &site, Limits::default(), None, served.clone());
        let serving = tokio::spawn(serving.map_err(Error::Threads)?);
        readiness.send_replace(Readiness::Ready);
        Ok(Self {
            url,
            token,
            roles,
            served,
            serving,
            folder,
            readiness,
        })
    }

    /// Waits for what tells it to end before its time.
    pub(crate) async fn interrupted() -> Error {
        match signals::listen() {
            Ok(mut signals) => {
                signals.recv().await;
                Error::Interrupted
            }
            Err(error) => error,
        }
    }

    /// Ends it, and removes what it made.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.readiness.send_replace(Readiness::Stopping);
        self.served.cancel();
        self.serving.await.map_err(Error::Task)?;
        self.roles.stop(Stop::LeaveRuns).await?;
        let path = self.folder.path().to_owned();
        self.folder
            .close()
            .map_err(|source| Error::File { path, source })
    }
}

async fn tell(interrupted: CancellationToken) {
    drop(Replay::interrupted().await);
    interrupted.cancel();
}

/// The flags of a platform that only looks, on this machine alone.
fn arguments(folder: &Path, file: &Path) -> Result<ServeArgs, Error> {
    let folder = folder.join("data");
    let line = ["eai", "server", "--listen", "127.0.0.1:0", "--unsafe-fsync"];
    let cli = Cli::try_parse_from(line).map_err(|error| Error::Flags(error.to_string()))?;
    let Noun::Server(command) = cli.noun else {
        return Err(Error::Flags("not those of a server".into()));
    };
    let size = std::fs::metadata(file).map_err(|source| Error::File {
        path: file.to_owned(),
        source,
    })?;
    // What the store has beside each event is less than the event.
    let log = ByteSize::b(size.len() * 2) + LITTLE;
    Ok(ServeArgs {
        data_dir: folder,
        log_max_bytes: Some(log),
        tasks_max_bytes: Some(LITTLE),
        data_max_bytes: Some(LITTLE),
        ..command.serve
    })
}
