//! The `eai` binary: parse, run, exit code.

mod args;
mod client;
mod commands;
mod env;
mod error;
mod export;
mod files;
mod forward;
mod output;
mod profile;
mod server;
mod settings;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request that is passed on is mostly small pieces of memory that are soon given back.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // The platform runs a shim for each sandbox: it has to be small and quick, so no grammar of
    // the command line and no threads come before it.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|noun| noun == "shim") {
        return eai_executors::shim::main(args);
    }
    let mut printer = output::Printer::standard();
    let status = commands::main(std::env::args_os(), &mut printer);
    ExitCode::from(status.code())
}
