//! The shim on its own, as `eai shim FOLDER` is.

use std::process::ExitCode;

fn main() -> ExitCode {
    eai_executors::shim::main(std::env::args_os().skip(1))
}
