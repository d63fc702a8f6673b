//! The small process that owns one sandboxed run, and how others talk to it.
//!
//! It outlives the platform. It must not know jobs or events: only a command, its sandbox, its
//! output and its end.

mod address;
mod client;
mod ending;
mod fence;
mod files;
mod launch;
mod namespace;
mod network;
mod order;
mod pump;
mod sandbox;
mod serve;
mod stage;
mod supervise;
mod wire;

pub use client::connect;

pub(crate) use address::bind;
pub(crate) use client::{Conversation, is_gone};
pub(crate) use files::Files;
pub(crate) use network::possible as network_possible;
pub(crate) use order::{Order, WayOut};
pub(crate) use sandbox::{GID, UID};
pub(crate) use supervise::release;
pub(crate) use wire::Request;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the shim of the run in the folder that is the only argument. Its standard input is the
/// socket that it listens on; what it has to say for itself goes to standard error.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let (Some(folder), None) = (args.next(), args.next()) else {
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
            let ended = runtime.block_on(supervise::supervise(PathBuf::from(folder)));
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

/// Unix milliseconds.
fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
