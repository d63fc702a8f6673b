//! A run that was started, whatever it runs in.

use std::io;

use eai_core::job::Endpoint;
use tokio::net::TcpStream;

use super::values::{ConnectError, Exit, Found, Listening, Signal, Started};
use super::worker::{Conversation, Left, Outcome};
use crate::spool::Chunk;
use crate::{docker, process};

/// A handle on a run. It may be over, and stays readable until it is removed.
#[derive(Clone, Debug)]
pub enum Running {
    /// In a sandbox.
    Process(process::Running),
    /// In a container.
    Docker(docker::Running),
}

/// A run's output from an offset on, as it comes.
#[derive(Debug)]
pub enum Output {
    /// From a shim's files.
    Process(Box<process::Output>),
    /// From an engine's log.
    Docker(Box<docker::Output>),
}

/// Why something could not be done with a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// In a sandbox.
    #[error(transparent)]
    Process(#[from] process::RunError),
    /// In a container.
    #[error(transparent)]
    Docker(#[from] docker::Error),
}

// === impl Running ===

impl Running {
    /// The run's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Process(running) => running.name(),
            Self::Docker(running) => running.name(),
        }
    }

    /// Where this port of it, and every other, is reached.
    pub fn endpoint(&self, port: u16) -> Endpoint {
        match self {
            Self::Process(running) => Endpoint::Unix(running.endpoint().into()),
            Self::Docker(running) => Endpoint::Tcp((running.address(), port).into()),
        }
    }

    /// Whether a command that listens on its loopback address alone is reached.
    pub fn reaches_loopback(&self) -> bool {
        matches!(self, Self::Process(_))
    }

    /// Lets its command begin, where it was held. Nothing happens to one that began.
    pub async fn begin(&self) -> Result<(), RunError> {
        match self {
            Self::Process(running) => Ok(running.begin().await.map(drop)?),
            Self::Docker(_) => Ok(()),
        }
    }

    /// What it has; none where it never ran.
    pub fn started(&self) -> Option<Started> {
        match self {
            Self::Process(running) => running.started().ok().flatten(),
            Self::Docker(running) => Some(running.started()),
        }
    }

    /// What holds it to its limits.
    pub fn limits(&self) -> &'static str {
        match self {
            Self::Process(running) => running.limits(),
            Self::Docker(_) => docker::LIMITS,
        }
    }

    /// Opens a TCP connection to a port of it.
    pub async fn connect(&self, port: u16) -> Result<TcpStream, ConnectError> {
        match self {
            Self::Process(running) => running.connect(port).await,
            Self::Docker(running) => running.connect(port).await,
        }
    }

    /// Waits for its end; at once where it ended before. Never answers while nobody knows.
    pub async fn wait(&self) -> Result<Exit, RunError> {
        match self {
            Self::Process(running) => Ok(running.wait().await?),
            Self::Docker(running) => Ok(running.wait().await?),
        }
    }

    /// Sends a signal; nothing happens to a run that is over.
    pub async fn signal(&self, signal: Signal) -> Result<(), RunError> {
        match self {
            Self::Process(running) => Ok(running.signal(signal).await?),
            Self::Docker(running) => Ok(running.signal(signal).await?),
        }
    }

    /// Lets none of its processes go on, until it is thawed.
    pub async fn freeze(&self) -> Result<(), RunError> {
        match self {
            Self::Process(running) => Ok(running.freeze().await?),
            Self::Docker(running) => Ok(running.freeze().await?),
        }
    }

    /// Lets its processes go on. Nothing happens to one that was not frozen.
    pub async fn thaw(&self) -> Result<(), RunError> {
        match self {
            Self::Process(running) => Ok(running.thaw().await?),
            Self::Docker(running) => Ok(running.thaw().await?),
        }
    }

    /// Who listens in it; nobody once it is over.
    pub async fn listening(&self) -> Result<Vec<Listening>, RunError> {
        match self {
            Self::Process(running) => Ok(running.listening().await?),
            Self::Docker(running) => Ok(running.listening().await?),
        }
    }

    /// A conversation with it, if it is a worker.
    pub async fn worker(&self) -> io::Result<Conversation> {
        match self {
            Self::Process(running) => running.worker().await,
            Self::Docker(running) => running.worker().await,
        }
    }

    /// What is left of a worker that ended.
    pub async fn left(&self) -> io::Result<Left> {
        match self {
            Self::Process(running) => running.left(),
            Self::Docker(running) => running.left().await,
        }
    }

    /// What it wrote during an attempt, where its shim does not know.
    pub async fn logs(&self, outcome: &Outcome) -> Option<String> {
        match self {
            Self::Process(_) => None,
            Self::Docker(running) => Some(running.logs_between(outcome.begun, outcome.ended).await),
        }
    }

    /// Its output from `offset` on: 0, or the `next` of a chunk.
    pub fn output(&self, offset: u64) -> Output {
        match self {
            Self::Process(running) => Output::Process(Box::new(running.output(offset))),
            Self::Docker(running) => Output::Docker(Box::new(running.output(offset))),
        }
    }

    /// Ends it if it runs, and removes all that there is of it. Repeating it does nothing.
    pub async fn remove(&self) -> Result<(), RunError> {
        match self {
            Self::Process(running) => Ok(running.remove().await?),
            Self::Docker(running) => Ok(running.remove().await?),
        }
    }
}

impl From<process::Running> for Running {
    fn from(running: process::Running) -> Self {
        Self::Process(running)
    }
}

impl From<docker::Running> for Running {
    fn from(running: docker::Running) -> Self {
        Self::Docker(running)
    }
}

// === impl Found ===

impl<R: Into<Running>> Found<R> {
    /// The same, whatever it runs in.
    pub(super) fn into(self) -> Found<Running> {
        Found {
            running: self.running.into(),
            metadata: self.metadata,
            state: self.state,
        }
    }
}

// === impl Output ===

impl Output {
    /// The next piece; waits for it. None once the run is over and all was read.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<Chunk>> {
        match self {
            Self::Process(output) => output.next().await,
            Self::Docker(output) => output.next().await,
        }
    }

    /// The next piece that is there; none where it would have to be waited for.
    pub fn ready(&mut self) -> io::Result<Option<Chunk>> {
        match self {
            Self::Process(output) => output.ready(),
            Self::Docker(output) => Ok(output.ready()),
        }
    }
}
