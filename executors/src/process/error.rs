//! Why a run can't be started, or nothing can be run at all, in words for who runs the platform.

use std::io;
use std::path::PathBuf;

use crate::backend::Invalid;

/// Why this machine can't run sandboxed processes.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Bubblewrap isn't there.
    #[error(
        "bubblewrap (`bwrap`) is not on PATH: install it (`apt install bubblewrap`, or your \
         system's equivalent)"
    )]
    Missing,
    /// It could not even be asked.
    #[error("failed to run `{} --help`", .path.display())]
    Ask {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It lacks what a sandbox needs.
    #[error(
        "{} is too old: it has no `{option}`; install bubblewrap 0.8 or newer",
        .path.display()
    )]
    TooOld {
        /// Where it is.
        path: PathBuf,
        /// What it lacks.
        option: &'static str,
    },
    /// The folder of runs could not be made.
    #[error("failed to make the folder of runs {}", .path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A sandbox that runs `true` failed.
    #[error("no sandbox can be made on this machine: {reason}; {hint}")]
    Refused {
        /// What was said.
        reason: String,
        /// What to change.
        hint: String,
    },
}

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It could run nowhere.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its folder could not be made.
    #[error("failed to {action} {}", .path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no shim.
    #[error("failed to run the shim {}: is the eai binary still there?", .path.display())]
    Shim {
        /// Its program.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The shim gave up before anything ran.
    #[error("the sandbox of {name} could not be made: {reason}")]
    Sandbox {
        /// The run.
        name: String,
        /// What was said.
        reason: String,
    },
    /// The shim did not say that it runs.
    #[error(
        "the sandbox of {name} was not made within 30 s: look whether the machine is overloaded"
    )]
    Timeout {
        /// The run.
        name: String,
    },
}

/// Why something could not be done with a run.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} run {name}")]
pub struct RunError {
    /// What was tried.
    pub action: &'static str,
    /// The run.
    pub name: String,
    /// Why.
    #[source]
    pub source: io::Error,
}
