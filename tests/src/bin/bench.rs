//! Measures eai: `bench SUITE…`. `tests/bench` builds and runs it.

#[path = "../bench/mod.rs"]
mod bench;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // On a worker, where the platform's own readers run.
    let run = tokio::spawn(async move { bench::run(&arguments).await });
    run.await.unwrap_or(ExitCode::FAILURE)
}
