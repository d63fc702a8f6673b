//! A container of a run, started by this process or another one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::query_parameters::{KillContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::LIMITS;
use super::engine::{Engine, Error, QUICK, SLOW, call, if_there, until_answered};
use super::gateway::Gateways;
use super::marks::Marks;
use super::output::Output;
use super::state::{Status, explained, look};
use super::watch::Watch;
use crate::backend::{ConnectError, Exit, Listening, Signal, Started};
use crate::limits::Freezer;
use crate::listening::listening;
use crate::shim::Files;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the engine is asked without a reason whether a run goes on.
const NOW_AND_THEN: Duration = Duration::from_mins(1);
/// The pause before it is looked whether what another one removes is gone.
const PAUSE: Duration = Duration::from_millis(20);
/// What an engine that stops sends to what it runs, and after a while.
const TERM: i32 = 15;
const KILL: i32 = 9;
/// Where the engine answers a container's questions for names.
const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

/// A handle on a run. It may be over, and stays readable until it is removed.
#[derive(Clone, Debug)]
pub struct Running {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) watch: Arc<Watch>,
    /// The run's name.
    pub(super) name: String,
    /// The container's name, as events tell it.
    pub(super) container: String,
    /// Its id: a later container of the same name is another one.
    pub(super) id: String,
    pub(super) address: Ipv4Addr,
    /// In Unix milliseconds.
    pub(super) started: u64,
    pub(super) marks: PathBuf,
    /// Whether the engine holds it still, and has to be asked to let it go on.
    pub(super) paused: AtomicBool,
    /// The kernel's switch for it, once it was looked for.
    pub(super) freezer: OnceLock<Option<Freezer>>,
    pub(super) gateways: Gateways,
}

// === impl Running ===

impl Running {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Where it is on the platform's bridge.
    pub fn address(&self) -> IpAddr {
        self.inner.address.into()
    }

    /// What it has.
    pub fn started(&self) -> Started {
        Started {
            at: self.inner.started,
            limits: LIMITS.to_owned(),
            network: "bridge".to_owned(),
        }
    }

    /// Opens a TCP connection to a port of it.
    pub async fn connect(&self, port: u16) -> Result<TcpStream, ConnectError> {
        let address = SocketAddr::new(self.address(), port);
        match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(match error.kind() {
                io::ErrorKind::ConnectionRefused => ConnectError::RefusedAt(address),
                // Nobody has the address any more.
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    ConnectError::Gone
                }
                _ => ConnectError::Failed {
                    port,
                    reason: error.to_string(),
                },
            }),
            Err(_) => Err(ConnectError::Timeout(port)),
        }
    }

    /// Waits for its end; at once where it ended before. Never answers while nobody knows.
    pub async fn wait(&self) -> Result<Exit, Error> {
        let Inner {
            engine, id, watch, ..
        } = &*self.inner;
        let mut changes = self.changes();
        let mut breaks = watch.breaks();
        loop {
            changes.mark_unchanged();
            let now = watch.breaks();
            match look(engine, id).await? {
                None => {
                    let lost = Exit::lost(self.inner.started);
                    return Ok(Exit {
                        failure: Some("its container was removed".to_owned()),
                        ..lost
                    });
                }
                Some(seen) => {
                    if let Status::Ended(exit) = &seen.status {
                        let was_away = watch.breaks() != breaks;
                        let exit = explained(engine, &seen, exit.clone()).await?;
                        return Ok(if was_away { by_engine(exit) } else { exit });
                    }
                    breaks = now;
                }
            }
            tokio::time::timeout(NOW_AND_THEN, changes.changed())
                .await
                .ok();
        }
    }

    /// Sends a signal; nothing happens to a run that is over.
    pub async fn signal(&self, signal: Signal) -> Result<(), Error> {
        let name = match signal {
            Signal::Term => "SIGTERM",
            Signal::Kill => "SIGKILL",
        };
        let Inner { engine, id, .. } = &*self.inner;
        let sent = || async {
            let options = KillContainerOptionsBuilder::new().signal(name).build();
            let sent = engine.docker.kill_container(id, Some(options));
            call("signal a container", QUICK, sent).await
        };
        unless_over(until_answered(sent).await)
    }

    /// Lets none of its processes go on, until it is thawed.
    pub async fn freeze(&self) -> Result<(), Error> {
        if self.switch(true).await? {
            return Ok(());
        }
        let Inner { engine, id, .. } = &*self.inner;
        self.inner.paused.store(true, Ordering::Relaxed);
        let frozen = || {
            call(
                "freeze a container",
                QUICK,
                engine.docker.pause_container(id),
            )
        };
        unless_over(until_answered(frozen).await)
    }

    /// Lets its processes go on. Nothing happens to one that was not frozen.
    pub async fn thaw(&self) -> Result<(), Error> {
        let switched = self.switch(false).await?;
        if switched && !self.inner.paused.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Inner { engine, id, .. } = &*self.inner;
        let thawed = || {
            call(
                "thaw a container",
                QUICK,
                engine.docker.unpause_container(id),
            )
        };
        match until_answered(thawed).await {
            // That is how it is told that it was not frozen.
            Err(Error::Refused { message, .. }) if message.contains("is not paused") => {}
            thawed => unless_over(thawed)?,
        }
        self.inner.paused.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Turns the kernel's own switch, which takes a hundredth of what the engine takes. False where it is out of
    /// reach.
    async fn switch(&self, frozen: bool) -> Result<bool, Error> {
        let Inner { engine, id, .. } = &*self.inner;
        let freezer = match self.inner.freezer.get() {
            Some(found) => found.clone(),
            None => match look(engine, id).await?.and_then(|seen| seen.pid) {
                Some(pid) => {
                    let found = Freezer::of(pid, id);
                    self.inner.freezer.get_or_init(|| found).clone()
                }
                None => None,
            },
        };
        let Some(freezer) = freezer else {
            return Ok(false);
        };
        let switched = tokio::task::spawn_blocking(move || freezer.set(frozen)).await;
        match switched.map_err(io::Error::other).flatten() {
            Ok(()) => Ok(true),
            Err(error) => {
                tracing::warn!(run = self.name(), %error, "docker.freezer: the engine is asked instead");
                Ok(false)
            }
        }
    }

    /// Who listens in it; nobody once it is over, or where this process may not look.
    pub async fn listening(&self) -> Result<Vec<Listening>, Error> {
        let Inner { engine, id, .. } = &*self.inner;
        let Some(pid) = look(engine, id).await?.and_then(|seen| seen.pid) else {
            return Ok(Vec::new());
        };
        let mut found = listening(&Path::new("/proc").join(pid.to_string())).unwrap_or_default();
        found.retain(|listening| listening.address != RESOLVER);
        Ok(found)
    }

    /// Its output from `offset` on: 0, or the `next` of a chunk.
    pub fn output(&self, offset: u64) -> Output {
        Output::new(self.clone(), offset)
    }

    /// Ends it if it runs, and removes all that there is of it. Repeating it does nothing.
    pub async fn remove(&self) -> Result<(), Error> {
        remove(&self.inner.engine, &self.inner.id).await?;
        if let Err(error) = self.inner.gateways.remove(self.name()).await {
            tracing::warn!(run = self.name(), %error, "docker.gateway: it is removed at the next start");
        }
        if let Err(error) = self.marks().remove() {
            tracing::debug!(run = self.name(), %error, "docker.marks");
        }
        Ok(())
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn id(&self) -> &str {
        &self.inner.id
    }

    /// Where its shim is talked to, if it is a worker.
    pub(super) fn gateway(&self) -> PathBuf {
        self.gateway_files().socket()
    }

    /// What its shim keeps.
    pub(super) fn gateway_files(&self) -> Files {
        self.inner.gateways.files(&self.inner.name)
    }

    pub(super) fn marks(&self) -> Marks {
        Marks::new(&self.inner.marks, &self.inner.name)
    }

    /// Told whenever it is worth looking how far it is.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.inner.watch.of(&self.inner.container)
    }
}

/// An engine that stops ends what it runs, which is no fault of the command.
fn by_engine(exit: Exit) -> Exit {
    let is_signal = matches!(exit.signal, Some(TERM | KILL)) && !exit.oom;
    if !is_signal {
        return exit;
    }
    let failure = "the Docker engine was stopped, and ended it".to_owned();
    Exit {
        lost: true,
        failure: Some(failure),
        ..exit
    }
}

/// Ends and removes a container; returns once it is gone.
pub(super) async fn remove(engine: &Engine, id: &str) -> Result<(), Error> {
    loop {
        let removed = || async {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
            let removed = engine.docker.remove_container(id, Some(options.build()));
            if_there(call("remove a container", SLOW, removed).await)
        };
        match until_answered(removed).await {
            Ok(None) => return Ok(()),
            // It is looked again whether it is gone.
            Ok(Some(())) => {}
            // Another one is at it.
            Err(error) if error.status() == Some(409) => {}
            Err(error) => return Err(error),
        }
        if look(engine, id).await?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Nothing can be done to what is over, which is as good as done.
fn unless_over(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if matches!(error.status(), Some(404 | 409)) => Ok(()),
        done => done,
    }
}
