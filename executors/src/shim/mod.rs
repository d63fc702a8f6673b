//! The small process that owns one sandboxed run, and how others talk to it.
//!
//! It outlives the platform. It must not know jobs or events: only a command, its sandbox, its
//! output and its end.

mod address;
mod attempts;
mod client;
mod ending;
mod fence;
mod files;
mod gateway;
mod launch;
mod listen;
mod namespace;
mod network;
mod order;
mod pump;
mod runtime;
mod sandbox;
mod serve;
mod stage;
mod supervise;
mod wire;

pub use client::connect;

pub(crate) use address::bind;
pub(crate) use client::{Conversation, end, is_gone, worker};
pub(crate) use files::{Files, gone, make_folder, remove_folder};
pub(crate) use gateway::{GatewayOrder, WORD as GATEWAY};
pub(crate) use network::possible as network_possible;
pub(crate) use order::{Order, WayOut};
pub(crate) use runtime::{Frames, PORT, say};
pub(crate) use sandbox::{GID, UID};
pub(crate) use supervise::release;
pub(crate) use wire::Request;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the shim of the run in the folder that is the only argument, but for what the shim says to itself. Its standard input is the
/// socket that it listens on; what it has to say for itself goes to standard error.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let mut first = args.next();
    if first.as_ref().is_some_and(|first| first == listen::WORD) {
        return listen::main(args);
    }
    let is_gateway = first.as_ref().is_some_and(|first| first == gateway::WORD);
    if is_gateway {
        first = args.next();
    }
    let (Some(folder), None) = (first, args.next()) else {
        complain(
            "usage: eai shim FOLDER (the platform runs it; there is no need to run it by hand)",
        );
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => {
            let folder = PathBuf::from(folder);
            let ended = if is_gateway {
                runtime.block_on(gateway::attend(folder))
            } else {
                runtime.block_on(supervise::supervise(folder))
            };
            // Whoever hears the socket close may rely on this process being gone: the kernel
            // closes it, after all else.
            std::mem::forget(runtime);
            ended
        }
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the shim failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn complain(text: &str) {
    use std::io::Write as _;
    // Nobody is left to hear that standard error is closed.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Unix microseconds.
fn now_micros() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Unix milliseconds.
fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
