//! Updates under load: see `tests/soak/rollout`.

use std::process::ExitCode;

use eai_tests::rollout::{Options, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match soak::asked(Options::read) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let report = run(&options).await;
    soak::ended(&report, report.is_clean() && report.saw_enough())
}
