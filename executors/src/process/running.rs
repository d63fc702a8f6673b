//! A run that was started, by this process or another one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::error::RunError;
use super::freeze::set_frozen;
use super::output::Output;
use crate::backend::{self, ConnectError, Exit, Listening, Signal, Started};
use crate::limits::Limits;
use crate::shim::{Conversation, Files, Request, end, is_gone, release, remove_folder};

/// A handle on a run. It may be over, and stays readable until it is removed.
#[derive(Clone, Debug)]
pub struct Running {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    files: Files,
    /// None where nobody could tell any more what was ordered.
    limits: Option<Limits>,
}

// === impl Running ===

impl Running {
    pub(super) fn new(name: String, files: Files, limits: Option<Limits>) -> Self {
        let inner = Inner {
            name,
            files,
            limits,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The socket of its shim, for [`crate::shim::connect`].
    pub fn endpoint(&self) -> PathBuf {
        self.inner.files.socket()
    }

    /// Lets its command begin, where it was held, and waits until it does. None where it never will.
    pub async fn begin(&self) -> Result<Option<Started>, RunError> {
        let told = match self.ask(Request::Begin).await {
            // A shim of an earlier version holds nothing, and knows no such request.
            Ok(None) => self.ask(Request::Started).await,
            told => told,
        };
        match told {
            Ok(told) => Ok(told.and_then(|told| serde_json::from_str(&told).ok())),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(self.failed("begin", error)),
        }
    }

    /// What it has; none where it never ran.
    pub fn started(&self) -> Result<Option<Started>, RunError> {
        let started = self.inner.files.started();
        started.map_err(|source| self.failed("read the start of", source))
    }

    /// What holds it to its limits: `cgroup-v2`, `cgroup-v1` or `rlimit`.
    pub fn limits(&self) -> &'static str {
        self.inner.limits.as_ref().map_or("none", Limits::name)
    }

    /// Opens a TCP connection to a port in the sandbox.
    pub async fn connect(&self, port: u16) -> Result<TcpStream, ConnectError> {
        crate::shim::connect(&self.endpoint(), port).await
    }

    /// Waits for its end; at once where it ended before.
    pub async fn wait(&self) -> Result<Exit, RunError> {
        let told = match self.ask(Request::Wait).await {
            Ok(told) => told,
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(self.failed("wait for", error)),
        };
        if let Some(exit) = told.and_then(|told| serde_json::from_str(&told).ok()) {
            return Ok(exit);
        }
        let exit = self.inner.files.exit();
        if let Some(exit) = exit.map_err(|source| self.failed("read the end of", source))? {
            return Ok(exit);
        }
        // Its processes die with the shim; what the kernel has not got to yet is ended here.
        self.release().await?;
        let started = self.started()?.map_or(0, |started| started.at);
        Ok(Exit::lost(started))
    }

    /// Sends a signal; nothing happens to a run that is over.
    pub async fn signal(&self, signal: Signal) -> Result<(), RunError> {
        match self.ask(Request::Signal(signal)).await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(self.failed("signal", error)),
        }
    }

    /// Lets none of its processes go on, until it is thawed.
    pub async fn freeze(&self) -> Result<(), RunError> {
        let frozen = self.set_frozen(true).await;
        frozen.map_err(|source| self.failed("freeze", source))
    }

    /// Lets its processes go on. Nothing happens to one that was not frozen.
    pub async fn thaw(&self) -> Result<(), RunError> {
        let thawed = self.set_frozen(false).await;
        thawed.map_err(|source| self.failed("thaw", source))
    }

    async fn set_frozen(&self, frozen: bool) -> io::Result<()> {
        let limits = self.inner.limits.clone();
        let files = self.inner.files.clone();
        tokio::task::spawn_blocking(move || set_frozen(&files, limits.as_ref(), frozen))
            .await
            .map_err(io::Error::other)
            .flatten()
    }

    /// Who listens in the sandbox; nobody once it is over.
    pub async fn listening(&self) -> Result<Vec<Listening>, RunError> {
        match self.ask(Request::Listening).await {
            Ok(Some(line)) => {
                let told = serde_json::from_str(&line);
                told.map_err(|error| self.failed("ask for the ports of", error.into()))
            }
            Ok(None) => Ok(Vec::new()),
            Err(error) if is_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(self.failed("ask for the ports of", error)),
        }
    }

    /// A conversation with it, if it is a worker.
    pub async fn worker(&self) -> io::Result<backend::Conversation> {
        backend::Conversation::begin(&self.endpoint()).await
    }

    /// What is left of a worker that ended.
    pub fn left(&self) -> io::Result<backend::Left> {
        self.inner.files.left()
    }

    /// Its output from `offset` on: 0, or the `next` of a chunk.
    pub fn output(&self, offset: u64) -> Output {
        Output::new(&self.inner.files, offset)
    }

    /// Ends it if it runs, and removes all that there is of it. Repeating it does nothing.
    pub async fn remove(&self) -> Result<(), RunError> {
        let ended = end(&self.endpoint()).await;
        ended.map_err(|source| self.failed("end", source))?;
        self.release().await?;
        let folder = self.inner.files.folder().to_owned();
        tokio::task::spawn_blocking(move || remove_folder(&folder))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|source| self.failed("remove the folder of", source))
    }

    /// The next thing that its shim says.
    pub(super) async fn ask(&self, request: Request) -> io::Result<Option<String>> {
        let mut conversation = Conversation::begin(&self.endpoint(), request).await?;
        conversation.line().await
    }

    /// Whether its shim lives.
    pub(super) async fn lives(&self) -> io::Result<bool> {
        match Conversation::begin(&self.endpoint(), Request::Follow).await {
            Ok(_) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends what a shim that was killed could not, and removes what held the run.
    async fn release(&self) -> Result<(), RunError> {
        let limits = self.inner.limits.clone();
        let files = self.inner.files.clone();
        tokio::task::spawn_blocking(move || release(&files, limits.as_ref()))
            .await
            .map_err(io::Error::other)
            .flatten()
            .map_err(|source| self.failed("remove the limits of", source))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> RunError {
        RunError {
            action,
            name: self.inner.name.clone(),
            source,
        }
    }
}
