//! The `eai` binary: parse, run, exit code.

mod args;
mod client;
mod commands;
mod env;
mod error;
mod output;
mod profile;
mod server;
mod settings;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut printer = output::Printer::standard();
    let status = commands::main(std::env::args_os(), &mut printer);
    ExitCode::from(status.code())
}
