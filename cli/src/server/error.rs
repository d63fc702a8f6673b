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
    #[error("{path} has a platform already: restore into an empty or new directory, with --data-dir DIR; or start without --restore, to go on with what is there", path = .path.display())]
    NotEmpty { path: PathBuf },
    #[error("{path} has a restore that did not come to its end: start with the same --restore FILE again, which goes on with it; or remove the directory", path = .path.display())]
    Unfinished { path: PathBuf },
    #[error("{path} has a restore of another export that did not come to its end: start with that one again, or choose an empty or new directory with --data-dir DIR", path = .path.display())]
    OtherExport { path: PathBuf },
    #[error("{path} has no events: there is nothing to restore", path = .path.display())]
    EmptyExport { path: PathBuf },
    #[error(
        "the events of the export were stored, but the views cannot be folded from them: {reason}"
    )]
    Unfoldable { reason: String },
    #[error("it was interrupted before there was an answer")]
    Interrupted,
    #[error("cannot look at an export with the flags of a server: {0}")]
    Flags(String),
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
    Tls(#[from] eai_proxy::listener::TlsError),
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
    #[error("failed to tell the NATS server who may watch: {0}. Start again")]
    Monitors(#[from] eai_proxy::api::NotTold),
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
