//! Clients that mean no good, beside one that does: see `tests/soak/hostile`.

use std::process::ExitCode;

use eai_tests::hostile::{Options, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match soak::asked(Options::read) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let report = run(&options).await;
    soak::ended(&report, report.is_clean())
}
