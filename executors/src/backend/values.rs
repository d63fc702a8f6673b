//! What is said of a run, whatever runs it. Some of it is kept in files and told over sockets: forms only grow.

use std::io;

use serde::{Deserialize, Serialize};

/// A signal to everything that a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks the command and its process group to end.
    Term,
    /// Ends every process of it.
    Kill,
}

/// What a run has, known once it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// When the command could begin, in Unix milliseconds.
    pub at: u64,
    /// What holds the run to its limits: `cgroup-v2`, `cgroup-v1`, `rlimit` or `docker`.
    pub limits: String,
    /// How the run reaches the world: `pasta`, `bridge` or `none`.
    pub network: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The command's exit code; 128 and the signal's number where a signal ended it, 126 or 127
    /// where it could not be run. None where nobody knows.
    #[serde(default)]
    pub code: Option<i32>,
    /// The signal that ended it, as far as its exit code tells.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel ended a process of the run for its memory limit, and the run failed.
    #[serde(default)]
    pub oom: bool,
    /// Whether how it ended is unknown; nothing of it runs any more.
    #[serde(default)]
    pub lost: bool,
    /// Why the command could not be run, or how it was lost, for people.
    #[serde(default)]
    pub failure: Option<String>,
    /// When the command could begin, in Unix milliseconds; 0 if it never could.
    #[serde(default)]
    pub started: u64,
    /// When it ended, in Unix milliseconds; 0 where nobody knows.
    #[serde(default)]
    pub ended: u64,
}

/// A port that somebody in a run listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The address, such as `0.0.0.0` or `::1`.
    pub address: std::net::IpAddr,
    /// The port.
    pub port: u16,
}

/// A run that an earlier platform left behind.
#[derive(Debug)]
pub struct Found<R> {
    /// To go on with it, or to remove it.
    pub running: R,
    /// What was kept with it; null where that can't be read.
    pub metadata: serde_json::Value,
    /// How far it is.
    pub state: State,
}

/// How far a run is that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its command runs.
    Live,
    /// It is over.
    Exited(Exit),
    /// It began, and nobody knows how it ended.
    Lost,
    /// It never began: starting it was cut short.
    Broken,
}

/// Why there is no connection into a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody in the sandbox listens there.
    #[error("nothing listens on port {0} in the sandbox: listen on 127.0.0.1, 0.0.0.0 or ::")]
    Refused(u16),
    /// The run is over, or its shim was killed.
    #[error("the run is over: its sandbox takes no connections any more")]
    Gone,
    /// The shim did not answer in time.
    #[error("there was no connection to port {0} within 10 s: look whether its process hangs")]
    Timeout(u16),
    /// Nobody listens there at the container's own address.
    #[error(
        "nothing listens on {0}: let the command listen on 0.0.0.0; on 127.0.0.1 only the \
         container itself reaches it"
    )]
    RefusedAt(std::net::SocketAddr),
    /// The sandbox could not open one.
    #[error("the sandbox could not open a connection to port {port}: {reason}")]
    Failed {
        /// The port asked for.
        port: u16,
        /// In the kernel's words.
        reason: String,
    },
    /// The socket of the shim broke.
    #[error("failed to talk to the sandbox's shim: if it goes on, stop the run")]
    Io(#[source] io::Error),
}

// === impl Exit ===

impl Exit {
    /// The end of a run of which nothing is left to tell it.
    pub(crate) fn lost(started: u64) -> Self {
        Self {
            lost: true,
            started,
            ..Self::default()
        }
    }
}
