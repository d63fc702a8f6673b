//! What can go wrong with the platform's nats-server, in words for the person who runs it.
//!
//! Each text says what happened, to what, and what to change; sources are not repeated in it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use eai_core::jws;

use super::binary::{MINIMUM, RECOMMENDED, Version};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "found no nats-server beside the eai binary, on PATH or in the cache of eai: fetch it with \
         `deploy/local/nats-server`, or name one of {RECOMMENDED} or newer with `--nats-server PATH`"
    )]
    BinaryMissing,
    #[error(
        "{} is not an executable file: give the path of nats-server to `--nats-server`",
        .0.display()
    )]
    BinaryNotExecutable(PathBuf),
    #[error("failed to run `{} --version`", .path.display())]
    BinaryRun {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "`{} --version` answered {answer:?}, which is no version of nats-server: name another \
         one with `--nats-server PATH`",
        .path.display()
    )]
    BinaryAnswer { path: PathBuf, answer: String },
    #[error(
        "{} is nats-server {found}, and eai needs {MINIMUM} or newer: install {RECOMMENDED} or \
         newer, or name another one with `--nats-server PATH`",
        .path.display()
    )]
    TooOld { path: PathBuf, found: Version },

    #[error("failed to {action} {}", .path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the path {} is not UTF-8: choose another one with `--data-dir`", .0.display())]
    Path(PathBuf),
    #[error("{name:?} is no account: expected names of a-z, 0-9 and _ joined with dots")]
    AccountName { name: String },
    #[error(
        "{} holds no {kind} key seed: restore the file from a backup (the log can't be read \
         without the account's key)",
        .path.display()
    )]
    KeyDamaged { path: PathBuf, kind: &'static str },
    #[error(
        "the log in {} belongs to another account key than {}: restore that file from a backup, \
         or start with an empty `--data-dir`",
        .store.display(), .key.display()
    )]
    KeyLost { store: PathBuf, key: PathBuf },
    #[error("failed to mint the credentials of {what}")]
    Mint {
        what: &'static str,
        #[source]
        source: jws::Error,
    },

    #[error("found no free port on 127.0.0.1 for nats-server: name one with `--nats-port PORT`")]
    NoFreePort,
    #[error(
        "port {port} on 127.0.0.1, where this platform's nats-server listens, is taken by another \
         process: end that one, or choose another port with `--nats-port PORT`"
    )]
    PortTaken { port: u16 },

    #[error("failed to start {}", .path.display())]
    Spawn {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("failed to watch nats-server (process {pid})")]
    Watch {
        pid: i32,
        #[source]
        source: io::Error,
    },
    #[error("nats-server ended while it started ({}){log}", status_text(.status.as_ref()))]
    Ended {
        status: Option<ExitStatus>,
        /// The last words of its log, ready to follow the text.
        log: String,
    },
    #[error(
        "nats-server (process {pid}) accepts connections on port {port} but has said nothing for \
         {}: it may be suspended. Resume it with `kill -CONT {pid}`, or end it with \
         `kill -9 {pid}` and start again", humantime::format_duration(*.waited)
    )]
    Silent {
        pid: i32,
        port: u16,
        waited: Duration,
    },
    #[error(
        "nats-server (process {pid}) was not ready on port {port} after {}{log}",
        humantime::format_duration(*.waited)
    )]
    NotReady {
        pid: i32,
        port: u16,
        waited: Duration,
        log: String,
    },
    #[error(
        "what listens on port {port} is not this platform's nats-server ({reason}): end it, or \
         choose another port with `--nats-port PORT`"
    )]
    Stranger { port: u16, reason: String },
    #[error("nats-server (process {pid}) did not end, not even killed")]
    Unstoppable { pid: i32 },
}

fn status_text(status: Option<&ExitStatus>) -> String {
    status.map_or_else(|| "exit status unknown".to_owned(), ToString::to_string)
}
