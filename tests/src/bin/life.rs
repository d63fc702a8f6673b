//! The whole life of services, all at once: see `tests/soak/life`.

use std::process::ExitCode;

use eai_tests::life::{Options, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match soak::asked(Options::read) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let steps = options.steps;
    let report = run(&options, |done| {
        soak::progress(&format!("{done} of {steps} steps"), done % 20 == 0);
    })
    .await;
    soak::ended(&report, report.is_clean() && report.saw_enough())
}
