//! What runs commands on this machine, sandboxes or containers, behind one set of words.
//!
//! It must not know jobs or events: a run has a name, and whoever names it knows why it runs.

mod run;
mod running;
mod values;
mod worker;

use std::time::{Duration, Instant};

pub(crate) use run::check_name;
pub use run::{Bind, Invalid, Run};
pub use running::{Output, RunError, Running};
pub use values::{ConnectError, Exit, Found, Listening, Signal, Started, State};
pub(crate) use worker::variable as worker_variable;
pub use worker::{
    Answer, Beat, Conversation, Failure, FromWorker, Held, Invocation, Left, Outcome, PAYLOAD_MAX,
    Runtime, Still, ToWorker, WorkerState,
};

pub use crate::spool::{Chunk, Kind};

use crate::data::pip::{self, Python};
use crate::docker::{self, Docker, Notes};
use crate::process::{self, Process};

/// What runs commands.
#[derive(Debug)]
pub enum Backend {
    /// Sandboxes of bubblewrap.
    Process(Process),
    /// Containers of a Docker engine.
    Docker(Docker),
}

/// A run that was brought to its start.
#[derive(Debug)]
pub struct Begun {
    /// The run.
    pub running: Running,
    /// How long it took to make what it runs in.
    pub create: Duration,
    /// How long its command took to begin after that.
    pub start: Duration,
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// In a sandbox.
    #[error(transparent)]
    Process(#[from] process::StartError),
    /// In a container.
    #[error(transparent)]
    Docker(docker::StartError),
    /// It got too late for it; nothing of it began.
    #[error("it took longer to prepare than it may")]
    Late,
}

/// Why the runs of an earlier platform cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// Those in sandboxes.
    #[error("failed to read the folder of runs")]
    Process(#[source] std::io::Error),
    /// Those in containers.
    #[error(transparent)]
    Docker(#[from] docker::Error),
}

impl From<docker::StartError> for StartError {
    fn from(error: docker::StartError) -> Self {
        match error {
            docker::StartError::Late => Self::Late,
            error => Self::Docker(error),
        }
    }
}

// === impl Backend ===

impl Backend {
    /// For events and rows.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Process(_) => "process",
            Self::Docker(_) => "docker",
        }
    }

    /// Whether runs see the files of an image, and not those of the machine.
    pub fn has_images(&self) -> bool {
        matches!(self, Self::Docker(_))
    }

    /// Sees to it that an image is there; says in notes what takes time.
    pub async fn prepare(&self, image: &str, notes: Notes) -> Result<(), docker::ImageError> {
        match self {
            Self::Process(_) => Ok(()),
            Self::Docker(docker) => docker.prepare(image, notes).await,
        }
    }

    /// The Python that a run of an image finds.
    pub async fn python(&self, image: &str) -> Result<Python, pip::Error> {
        match self {
            Self::Process(_) => Python::of_machine(),
            Self::Docker(docker) => {
                let none = |why| pip::Error::NoPython(format!("the image `{image}`{why}"));
                match docker.python(image).await {
                    Ok(Some(python)) => Ok(python),
                    Ok(None) => Err(none(String::new())),
                    Err(error) => Err(none(format!(" ({error})"))),
                }
            }
        }
    }

    /// Says that a run will be started soon: what takes its time begins now.
    pub fn expect(&self) {
        match self {
            Self::Process(process) => process.expect(),
            Self::Docker(_) => {}
        }
    }

    /// Whether what a run of an image runs in can be made at once, before it is known that the run is wanted.
    pub async fn makes_early(&self, image: Option<&str>) -> bool {
        match self {
            Self::Process(_) => true,
            Self::Docker(docker) => {
                let image = image.unwrap_or_default();
                docker.has_image(image).await.unwrap_or_default()
            }
        }
    }

    /// Makes what a run will run in, unless it is there, and as long as it is `wanted`. Its command is held until
    /// [`Backend::start`].
    pub async fn make_early(&self, run: &Run, wanted: impl Fn() -> bool) -> Result<(), StartError> {
        match self {
            Self::Process(process) => Ok(process.make_early(run, wanted).await?),
            Self::Docker(docker) => Ok(Box::pin(docker.make_early(run, wanted)).await?),
        }
    }

    /// Removes what was made for a run of this name, whose command never began.
    pub async fn discard_early(&self, name: &str) -> Result<(), RunError> {
        match self {
            Self::Process(process) => Ok(process.discard(name).await?),
            Self::Docker(docker) => Ok(Box::pin(docker.discard_early(name)).await?),
        }
    }

    /// Starts a run, or takes up the one of this name that was started before: a command is never
    /// begun twice under one name, even where nobody knows how it went. Nothing begins after `latest`.
    pub async fn start(&self, run: &Run, latest: Instant) -> Result<Begun, StartError> {
        match self {
            Self::Process(_) if Instant::now() > latest => Err(StartError::Late),
            Self::Process(process) => {
                let clock = Instant::now();
                let running = process.start(run).await?;
                Ok(Begun {
                    running: Running::Process(running),
                    create: clock.elapsed(),
                    start: Duration::ZERO,
                })
            }
            Self::Docker(docker) => Ok(Box::pin(docker.start_before(run, Some(latest))).await?),
        }
    }

    /// Every run that is there, by name.
    pub async fn found(&self) -> Result<Vec<Found<Running>>, FoundError> {
        match self {
            Self::Process(process) => {
                let found = process.found().await.map_err(FoundError::Process)?;
                Ok(found.into_iter().map(Found::into).collect())
            }
            Self::Docker(docker) => {
                let found = docker.found().await?;
                Ok(found.into_iter().map(Found::into).collect())
            }
        }
    }

    /// Waits until something happens to runs that it was not told of, or may have missed.
    pub async fn stirred(&self) {
        match self {
            Self::Process(_) => std::future::pending().await,
            Self::Docker(docker) => docker.stirred().await,
        }
    }

    /// What is there by the platform's label, whosever it is.
    pub async fn there(&self) -> Result<Vec<docker::There>, FoundError> {
        match self {
            Self::Process(_) => Ok(Vec::new()),
            Self::Docker(docker) => Ok(docker.runs().await?),
        }
    }

    /// Ends and removes what is there by an id.
    pub async fn discard(&self, id: &str) -> Result<(), RunError> {
        match self {
            Self::Process(_) => Ok(()),
            Self::Docker(docker) => Ok(docker.discard(id).await?),
        }
    }

    /// Removes what runs share, if none is left.
    pub async fn close(&self) {
        match self {
            Self::Process(_) => {}
            Self::Docker(docker) => docker.close().await,
        }
    }
}
