//! Keeps one nats-server running: starts or adopts it, waits until it answers as ours, starts it
//! again when it dies, and ends it when the platform ends.
//!
//! If the supervisor goes without having been told to stop, nats-server stays, for the next start
//! to adopt: a killed platform costs no reader its connection.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eai_core::log::credentials::User;
use nkeys::KeyPair;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::binary::{Binary, Search, Version};
use super::config::{Options, Paths, WebSocket};
use super::logs::Tail;
use super::probe::{Answer, Probe};
use super::process::Process;
use super::tokens::{self, Tokens};
use super::{Error, Keys, files, port};

/// What a nats-server is started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    /// Full name of the platform's account, such as `snow.testacc`.
    pub(crate) account: String,
    /// The platform's id: nats-server is named by it.
    pub(crate) platform: String,
    pub(crate) port: u16,
    pub(crate) websocket: Option<WebSocket>,
    pub(crate) search: Search,
    pub(crate) log_max_bytes: u64,
    pub(crate) tasks_max_bytes: u64,
    pub(crate) data_max_bytes: u64,
    pub(crate) unsafe_fsync: bool,
    pub(crate) timeouts: Timeouts,
}

#[derive(Debug, Clone)]
pub(crate) struct Timeouts {
    /// Until the server answers after its start; it reads its streams in that time.
    pub(crate) ready: Duration,
    /// Until a server that accepted a connection says something.
    pub(crate) answer: Duration,
    /// Until a server that was asked to end is killed.
    pub(crate) stop: Duration,
    /// The first wait before it is started again; it doubles up to `longest_backoff`.
    pub(crate) shortest_backoff: Duration,
    pub(crate) longest_backoff: Duration,
}

/// What the server is doing, for the platform's readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    Running {
        pid: i32,
    },
    /// It died, and is being started again.
    Restarting {
        reason: String,
    },
    Stopped,
}

pub(crate) struct Supervisor {
    keys: Keys,
    port: u16,
    version: Version,
    monitor_file: PathBuf,
    platform_creds: String,
    system_creds: String,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    task: Option<JoinHandle<Result<(), Error>>>,
}

/// Everything needed to start the server once more.
#[derive(Debug)]
struct Launch {
    binary: Binary,
    paths: Paths,
    probe: Probe,
    timeouts: Timeouts,
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            ready: Duration::from_mins(2),
            answer: Duration::from_secs(10),
            // The whole platform ends within 10 s.
            stop: Duration::from_secs(5),
            shortest_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(10),
        }
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Returns once this platform's nats-server is ready for clients.
    ///
    /// The data directory must be locked by the caller: two supervisors would fight over it.
    pub(crate) async fn start(settings: Settings) -> Result<Self, Error> {
        let binary = settings.search.find().await?;
        let data = one_path(&settings.data)?;
        let keys = Keys::open(&data, &settings.account)?;
        let paths = Paths::new(&data);
        files::private_folder(&paths.folder)?;
        let options = Options {
            port: settings.port,
            websocket: settings.websocket.clone(),
            server_name: format!("eai-{}", settings.platform),
            log_max_bytes: settings.log_max_bytes,
            tasks_max_bytes: settings.tasks_max_bytes,
            data_max_bytes: settings.data_max_bytes,
            unsafe_fsync: settings.unsafe_fsync,
        };
        if options.unsafe_fsync {
            tracing::warn!("writes are not synced: a power loss loses acknowledged events");
        }
        let present = files::read_if_any(&paths.config)?.unwrap_or_default();
        let tokens = Tokens::mint(&keys, &settings.account, &present, &paths)?;
        let config = options.text(&paths, &tokens)?;
        let launch = Launch {
            binary,
            paths,
            probe: Probe {
                port: options.port,
                server_name: options.server_name,
                creds: tokens::new_user(User::System, &keys.system)?,
            },
            timeouts: settings.timeouts,
        };

        let process = if let Some(process) = launch.adopt(config == present).await? {
            process
        } else {
            // Written only when no server runs, so what is in the file is what a living
            // server was started with.
            files::write_private(&launch.paths.config, &config)?;
            launch.start().await?
        };
        let monitor_file = tokens::monitor_file(&data, &keys, &settings.account)?;
        let new_creds = |kind, key| tokens::creds_text(&tokens::new_user(kind, key)?);
        let (status, receiver) = watch::channel(Status::Running { pid: process.pid() });
        let stop = CancellationToken::new();
        Ok(Self {
            platform_creds: new_creds(User::Platform, &keys.account)?,
            system_creds: new_creds(User::System, &keys.system)?,
            keys,
            port: options.port,
            version: launch.binary.version.clone(),
            monitor_file,
            status: receiver,
            stop: stop.clone(),
            task: Some(tokio::spawn(launch.supervise(process, status, stop))),
        })
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// The key that signs user tokens.
    pub(crate) fn signing_key(&self) -> &KeyPair {
        &self.keys.signing
    }

    /// Everything that the platform signs with.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The file with which any NATS client watches the platform's account.
    pub(crate) fn monitor_file(&self) -> &Path {
        &self.monitor_file
    }

    /// Credentials of the platform's everyday connection, as the text of a `.creds` file.
    pub(crate) fn platform_creds(&self) -> &str {
        &self.platform_creds
    }

    /// Credentials for asking the server about itself and for updating account claims.
    pub(crate) fn system_creds(&self) -> &str {
        &self.system_creds
    }

    /// Fresh credentials for creating and changing streams, good for a few minutes.
    pub(crate) fn setup_creds(&self) -> Result<String, Error> {
        tokens::creds_text(&tokens::new_user(User::Setup, &self.keys.account)?)
    }

    /// Fresh credentials for purging the object store, and nothing else.
    pub(crate) fn cleaner_creds(&self) -> Result<String, Error> {
        tokens::creds_text(&tokens::new_user(User::Cleaner, &self.keys.account)?)
    }

    /// What the server is doing, now and whenever that changes.
    #[cfg(test)]
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Ends the server and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        self.stop.cancel();
        match self.task.take() {
            Some(task) => task.await.unwrap_or_else(|error| {
                tracing::error!(%error, "nats-server was not watched to its end");
                Ok(())
            }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Supervisor {
    /// Without the credentials: they hold secret keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("port", &self.port)
            .field("version", &self.version)
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

// === impl Launch ===

impl Launch {
    /// Takes over a living server if it is what would be started now, else ends it.
    async fn adopt(&self, same_config: bool) -> Result<Option<Process>, Error> {
        let Some(mut process) = Process::find(&self.paths) else {
            return Ok(None);
        };
        let pid = process.pid();
        let reason = if same_config {
            let log = Tail::from_here(&self.paths);
            match self.wait_ready(&mut process, &log).await {
                Ok(version) if version == self.binary.version => {
                    tracing::info!(pid, "adopted the running nats-server");
                    return Ok(Some(process));
                }
                Ok(version) => format!("it is version {version}"),
                Err(Error::Ended { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        } else {
            "its configuration changed".to_owned()
        };
        tracing::info!(
            pid,
            reason,
            "ending the running nats-server to start it anew"
        );
        process.stop(self.timeouts.stop).await?;
        Ok(None)
    }

    async fn start(&self) -> Result<Process, Error> {
        port::check_free(self.probe.port)?;
        let log = Tail::from_here(&self.paths);
        let mut process = Process::spawn(&self.binary.path, &self.paths)?;
        match self.wait_ready(&mut process, &log).await {
            Ok(_) => {
                tracing::info!(pid = process.pid(), "nats-server is ready");
                process.release();
                Ok(process)
            }
            Err(error @ Error::Ended { .. }) => Err(error),
            Err(error) => {
                process.stop(self.timeouts.stop).await?;
                Err(error)
            }
        }
    }

    async fn wait_ready(&self, process: &mut Process, log: &Tail<'_>) -> Result<Version, Error> {
        let pid = process.pid();
        let (port, waited) = (self.probe.port, self.timeouts.ready);
        let answered = async {
            let mut pause = Duration::from_millis(5);
            loop {
                match self.probe.ask(self.timeouts.answer).await {
                    Answer::Ready(version) => return Ok(version),
                    Answer::Nobody => {}
                    Answer::Silent => {
                        let waited = self.timeouts.answer;
                        return Err(Error::Silent { pid, port, waited });
                    }
                    Answer::Stranger(reason) => return Err(Error::Stranger { port, reason }),
                }
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
        };
        tokio::select! {
            biased;
            ended = process.ended() => Err(Error::Ended { status: ended?, log: log.last_words() }),
            answer = timeout(waited, answered) => answer.unwrap_or_else(|_| {
                let log = log.last_words();
                Err(Error::NotReady { pid, port, waited, log })
            }),
        }
    }

    async fn supervise(
        self,
        mut process: Process,
        status: watch::Sender<Status>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let mut backoff = self.timeouts.shortest_backoff;
        loop {
            let since = Instant::now();
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    let stopped = process.stop(self.timeouts.stop).await;
                    status.send_replace(Status::Stopped);
                    return stopped;
                }
                ended = process.ended() => ended?,
            };
            // One that ran well for a while starts over with short waits.
            if since.elapsed() > self.timeouts.longest_backoff {
                backoff = self.timeouts.shortest_backoff;
            }
            let mut reason = match ended {
                Some(ended) => format!("nats-server ended: {ended}"),
                None => "nats-server ended".to_owned(),
            };
            process = loop {
                tracing::error!(reason, "starting nats-server again");
                status.send_replace(Status::Restarting { reason });
                let started = async {
                    sleep(backoff).await;
                    self.start().await
                };
                let started = tokio::select! {
                    biased;
                    () = stop.cancelled() => None,
                    started = started => Some(started),
                };
                let Some(started) = started else {
                    // The dropped future has asked a server that was half-way up to end.
                    let stopped = match Process::find(&self.paths) {
                        Some(process) => process.stop(self.timeouts.stop).await,
                        None => Ok(()),
                    };
                    status.send_replace(Status::Stopped);
                    return stopped;
                };
                backoff = (backoff * 2).min(self.timeouts.longest_backoff);
                match started {
                    Ok(process) => break process,
                    Err(error) => reason = error.to_string(),
                }
            };
            status.send_replace(Status::Running { pid: process.pid() });
        }
    }
}

/// The folder's one path, whatever links lead there: a living server is known by it.
fn one_path(data: &Path) -> Result<PathBuf, Error> {
    fs::create_dir_all(data)
        .and_then(|()| data.canonicalize())
        .map_err(|source| Error::File {
            action: "make the folder",
            path: data.to_owned(),
            source,
        })
}
