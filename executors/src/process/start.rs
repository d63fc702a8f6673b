//! Starts runs, each at most once by its name.

use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use eai_core::turns::Turns;

use super::error::{RunError, StartError, Unusable};
use super::found::{found, look};
use super::probe;
use super::running::Running;
use crate::backend::{Exit, Found, Run, State, worker_variable};
use crate::limits::{Caps, Parent};
use crate::shim::{Files, Order, PORT, WayOut, bind, make_folder};

/// How long a sandbox may take to be made.
const PATIENCE: Duration = Duration::from_secs(30);

/// How runs are made on this machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where each run has its folder. Made where it isn't there, for this user alone.
    pub folder: PathBuf,
    /// The program, by its absolute path, and arguments that run a shim: the folder of the run is
    /// added.
    pub shim: Vec<OsString>,
    /// The value of `PATH`, to find bubblewrap and, for a way out into the network, `pasta`.
    pub path: OsString,
    /// The most processes and threads of a run.
    pub pids: u64,
    /// The most bytes of output of a run on disk; the oldest go first.
    pub output_bytes: u64,
}

/// Runs commands in sandboxes.
#[derive(Debug)]
pub struct Process {
    settings: Settings,
    bwrap: PathBuf,
    way_out: Option<WayOut>,
    root: bool,
    parent: Parent,
    /// Tells this platform's control groups from those of others.
    space: String,
    /// The names being started, so that each is started by one.
    starting: Turns<String>,
}

// === impl Settings ===

impl Settings {
    /// The usual bounds: 512 processes, 64 MiB of output.
    pub fn new(folder: PathBuf, shim: Vec<OsString>, path: OsString) -> Self {
        Self {
            folder,
            shim,
            path,
            pids: 512,
            output_bytes: 64 * 1024 * 1024,
        }
    }
}

// === impl Process ===

impl Process {
    /// Finds out whether sandboxes can be made here, by making one.
    pub async fn new(settings: Settings) -> Result<Self, Unusable> {
        let bwrap = probe::bubblewrap(&settings.path).await?;
        make_folder(&settings.folder).map_err(|source| Unusable::Folder {
            path: settings.folder.clone(),
            source,
        })?;
        let space = space(&settings.folder).map_err(|source| Unusable::Folder {
            path: settings.folder.clone(),
            source,
        })?;
        let way_out = probe::way_out(&settings.path);
        let process = Self {
            settings,
            bwrap,
            way_out,
            root: rustix::process::geteuid().is_root(),
            parent: Parent::find(&space),
            space,
            starting: Turns::default(),
        };
        probe::trial(&process).await?;
        Ok(process)
    }

    /// What holds runs to their limits: `cgroup-v2`, `cgroup-v1` or `rlimit`.
    pub fn limits(&self) -> &'static str {
        self.parent.child(&self.space, "").name()
    }

    /// How runs reach the world: `pasta` or `none`.
    pub fn network(&self) -> &'static str {
        match self.way_out {
            Some(_) => "pasta",
            None => "none",
        }
    }

    /// Says that a run will be started soon: what the kernel takes its time for begins now.
    pub fn expect(&self) {
        let parent = self.parent.clone();
        tokio::task::spawn_blocking(move || {
            // Only slower without it.
            if let Err(error) = parent.expect() {
                tracing::debug!(%error, "cgroup.expect");
            }
        });
    }

    /// Starts a run, or takes up the one of this name that was started before: a command is never
    /// begun twice under one name, even where nobody knows how it went.
    pub async fn start(&self, run: &Run) -> Result<Running, StartError> {
        run.check()?;
        let start = self.start_alone(run);
        self.starting.take(run.name.clone(), start).await
    }

    /// Every run whose folder is there, by name.
    pub async fn found(&self) -> io::Result<Vec<Found<Running>>> {
        found(&self.settings.folder).await
    }

    /// Makes the sandbox of a run, unless there is one, and as long as it is `wanted`; its command is held.
    pub async fn make_early(&self, run: &Run, wanted: impl Fn() -> bool) -> Result<(), StartError> {
        run.check()?;
        let make = async {
            if !wanted() || self.settings.folder.join(&run.name).exists() {
                return Ok(());
            }
            self.make(run).await.map(drop)
        };
        self.starting.take(run.name.clone(), make).await
    }

    /// Removes what there is of a run whose command is held.
    pub async fn discard(&self, name: &str) -> Result<(), RunError> {
        let remove = async {
            let files = Files::new(self.settings.folder.join(name));
            let found = look(name.to_owned(), files).await;
            let found = found.map_err(|source| RunError {
                action: "look at",
                name: name.to_owned(),
                source,
            })?;
            found.running.remove().await
        };
        self.starting.take(name.to_owned(), remove).await
    }

    async fn start_alone(&self, run: &Run) -> Result<Running, StartError> {
        let folder = self.settings.folder.join(&run.name);
        let failed = |action, source| StartError::Folder {
            action,
            path: folder.clone(),
            source,
        };
        if folder.exists() {
            let found = look(run.name.clone(), Files::new(folder.clone()))
                .await
                .map_err(|source| failed("look into", source))?;
            match found.state {
                State::Live => return self.begin(found.running).await,
                State::Exited(_) | State::Lost => return Ok(found.running),
                State::Broken => {}
            }
            let removed = found.running.remove().await;
            removed.map_err(|error| failed("clean", error.source))?;
        }
        let running = self.make(run).await?;
        self.begin(running).await
    }

    /// Starts the shim of a run that has none. It makes the sandbox, and holds the command.
    async fn make(&self, run: &Run) -> Result<Running, StartError> {
        let folder = self.settings.folder.join(&run.name);
        let files = Files::new(folder.clone());
        let order = self.order(run);
        let limits = order.limits.clone();
        let prepared = tokio::task::spawn_blocking({
            let files = files.clone();
            move || prepare(&files, &order)
        });
        let (listener, log) =
            prepared
                .await
                .map_err(io::Error::other)
                .flatten()
                .map_err(|source| StartError::Folder {
                    action: "make",
                    path: folder.clone(),
                    source,
                })?;
        self.spawn(&folder, listener, log)?;
        Ok(Running::new(run.name.clone(), files, Some(limits)))
    }

    /// Lets the command begin, once its sandbox is there.
    async fn begin(&self, running: Running) -> Result<Running, StartError> {
        match tokio::time::timeout(PATIENCE, running.begin()).await {
            Ok(Ok(Some(_))) => Ok(running),
            Ok(_) => self.not_started(running).await,
            Err(_) => {
                let name = running.name().to_owned();
                remove(&running).await;
                Err(StartError::Timeout { name })
            }
        }
    }

    /// A command may have begun and ended before it was asked for.
    async fn not_started(&self, running: Running) -> Result<Running, StartError> {
        let files = Files::new(self.settings.folder.join(running.name()));
        if let Ok(Some(_)) = files.started() {
            return Ok(running);
        }
        let exit = files.exit().ok().flatten();
        let reason = match exit.and_then(|exit: Exit| exit.failure) {
            Some(failure) => failure,
            None => std::fs::read_to_string(files.log()).unwrap_or_default(),
        };
        let name = running.name().to_owned();
        remove(&running).await;
        Err(StartError::Sandbox {
            name,
            reason: match reason.trim() {
                "" => "the shim was killed".to_owned(),
                said => said.to_owned(),
            },
        })
    }

    fn order(&self, run: &Run) -> Order {
        let mut run = run.clone();
        if run.runtime.is_some() {
            run.env.push(worker_variable(Ipv4Addr::LOCALHOST, PORT));
        }
        Order {
            limits: self.parent.child(&self.space, &run.name),
            bwrap: self.bwrap.clone(),
            way_out: self.way_out.clone(),
            root: self.root,
            caps: Caps {
                cpu_milli: run.cpu_milli,
                memory_bytes: run.mem_mib.saturating_mul(1 << 20),
                pids: self.settings.pids,
            },
            output_bytes: self.settings.output_bytes,
            run,
        }
    }

    fn spawn(
        &self,
        folder: &Path,
        listener: UnixListener,
        log: std::fs::File,
    ) -> Result<(), StartError> {
        let (program, args) = match self.settings.shim.split_first() {
            Some((program, args)) => (Path::new(program), args),
            None => (Path::new(""), &[][..]),
        };
        let spawned = tokio::process::Command::new(program)
            .args(args)
            .arg(folder)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn();
        let mut shim = spawned.map_err(|source| StartError::Shim {
            path: program.to_owned(),
            source,
        })?;
        // It is waited for by its socket; this only clears it away.
        tokio::spawn(async move { drop(shim.wait().await) });
        Ok(())
    }
}

fn prepare(files: &Files, order: &Order) -> io::Result<(UnixListener, std::fs::File)> {
    make_folder(files.folder())?;
    files.put_order(order)?;
    let log = std::fs::File::create(files.log())?;
    Ok((bind(&files.socket())?, log))
}

/// No two folders of runs have the same one, nor two processes that use one folder.
fn space(folder: &Path) -> io::Result<String> {
    let folder = std::fs::metadata(folder)?;
    let process = std::process::id();
    Ok(format!("{:x}-{:x}-{process}", folder.dev(), folder.ino()))
}

async fn remove(running: &Running) {
    if let Err(error) = running.remove().await {
        // It is found again, and removed, when the platform starts.
        tracing::warn!(run = running.name(), error = %error.source, "a run that failed to start was not removed");
    }
}
