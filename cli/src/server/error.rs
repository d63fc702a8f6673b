//! Why the platform does not run, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use eai_core::log::{ConnectError, SetupError};

use super::nats;

/// Why `eai server` ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "cannot listen on {address}: {source}. Stop what uses it, or choose another with --listen ADDR:PORT"
    )]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("another `eai server` (pid {pid}) uses {path}: stop it, or choose another with --data-dir DIR", path = .path.display())]
    Locked { path: PathBuf, pid: String },
    #[error("cannot use {path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is not readable as a platform's identity ({reason}): restore it from a copy, or choose another data directory with --data-dir DIR", path = .path.display())]
    Identity { path: PathBuf, reason: String },
    #[error("{path} is no data directory of a platform: it has no platform.json", path = .path.display())]
    NoPlatform { path: PathBuf },
    #[error("{path} holds something else than a platform: choose an empty or new directory with --data-dir DIR", path = .path.display())]
    Foreign { path: PathBuf },
    #[error("`{0}` is not a domain: use letters, digits, dots and hyphens, and no port")]
    Domain(String),
    #[error("{path} belongs to account `{found}`, not `{asked}`: start with --account {found}, or choose another data directory with --data-dir DIR", path = .path.display())]
    OtherAccount {
        path: PathBuf,
        found: String,
        asked: String,
    },
    #[error(transparent)]
    Name(#[from] eai_core::names::Error),
    #[error(transparent)]
    Url(#[from] eai_proxy::api::BadUrl),
    #[error(transparent)]
    Nats(#[from] nats::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    SetUp(#[from] SetupError),
    #[error("failed to {step}: {source}")]
    Log {
        step: &'static str,
        source: eai_core::log::Error,
    },
    #[error(transparent)]
    Views(eai_projections::Error),
    #[error(transparent)]
    Executor(#[from] eai_executors::executor::Error),
    #[error("jobs cannot run with `{asked}`: {reason}. Or start with --backend auto")]
    Backend { asked: &'static str, reason: String },
    #[error("failed to sign a token: {0}")]
    Token(#[from] eai_core::jws::Error),
    #[error("failed to listen to signals: {0}")]
    Signals(io::Error),
    #[error(
        "cannot start threads for connections: {0}. Allow this user more of them (`ulimit -u`)"
    )]
    Threads(io::Error),
    #[error("a role of the platform broke off: {0}")]
    Task(tokio::task::JoinError),
    #[error(transparent)]
    Print(Box<crate::error::Error>),
    #[cfg(feature = "sabotage")]
    #[error(
        "EAI_SABOTAGE must be no-expectation, no-readback, no-claim, no-attempt or no-drain, not `{0}`"
    )]
    Sabotage(String),
}

impl From<crate::error::Error> for Error {
    fn from(error: crate::error::Error) -> Self {
        Self::Print(Box::new(error))
    }
}
