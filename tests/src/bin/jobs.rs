//! Jobs while what runs them is killed and frozen: see `tests/soak/jobs`.

use std::process::ExitCode;

use eai_tests::jobs::{Options, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match soak::asked(Options::read) {
        Ok(options) => options,
        Err(code) => return code,
    };
    match run(&options).await {
        Ok(report) => soak::ended(&report, report.is_clean() && report.saw_enough()),
        Err(error) => soak::broke(&format!("the records cannot be kept: {error}")),
    }
}
