//! Measures eai: `bench SUITE…`. `tests/bench` builds and runs it.

#[path = "../bench/mod.rs"]
mod bench;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    bench::run(&arguments).await
}
