//! Services that fall idle and are woken, cycle after cycle: see `tests/soak/idle`.

use std::process::ExitCode;

use eai_tests::idle::{Options, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match soak::asked(Options::read) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let of = options.cycles;
    let summary = run(&options, |summary| {
        let (cycles, violations) = (summary.cycles, summary.violations.len());
        let line = format!("cycle {cycles} of {of}, {violations} violations");
        soak::progress(&line, summary.rounds.is_multiple_of(5));
    })
    .await;
    soak::ended(&summary, summary.passed())
}
