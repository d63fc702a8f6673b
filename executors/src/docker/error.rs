//! Why containers can't be had, or a run can't be started in one, in words for who runs the platform.

use std::path::PathBuf;

use super::engine::Error;
use crate::backend::Invalid;

/// Why Docker can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is elsewhere.
    #[error(
        "`DOCKER_HOST` is `{0}`, and containers run on this machine's own engine: unset it, or name a \
         socket, such as unix:///var/run/docker.sock"
    )]
    Elsewhere(String),
    /// Nobody listens.
    #[error("Docker does not answer at {}: start it, or give its socket in `DOCKER_HOST`", .socket.display())]
    Away {
        /// Where it was looked for.
        socket: PathBuf,
        /// What was said.
        #[source]
        source: Error,
    },
    /// It answers, and what runs need can't be made.
    #[error(transparent)]
    Engine(#[from] Error),
    /// Where it is noted what was read of a run's output.
    #[error("failed to make the folder {}", .path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Why an image isn't there.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It could not be had from where it is kept.
    #[error("this machine has no image `{image}`, and it could not be pulled: {reason}")]
    Missing {
        /// Its name.
        image: String,
        /// What was said.
        reason: String,
    },
    /// The engine could not be asked.
    #[error(transparent)]
    Engine(#[from] Error),
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is a worker, and its shim did not come up.
    #[error("the shim of the worker {name} did not start: {source}")]
    Shim {
        /// The run.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// It could run nowhere.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its name has not three parts.
    #[error("{0:?} is no name of a run: expected JOB.RUN.CLAIM")]
    Name(String),
    /// Another container has its name.
    #[error("the container {0} belongs to something else: remove it with `docker rm --force {0}`")]
    Taken(String),
    /// A later claim has the run.
    #[error("the container {0} was made for a later claim of the same run")]
    Superseded(String),
    /// It got too late for it; nothing of it began.
    #[error("it took longer to prepare than it may")]
    Late,
    /// The engine refused to make or to start it.
    #[error("{0}")]
    Refused(String),
    /// The engine refused something else.
    #[error(transparent)]
    Engine(#[from] Error),
}
