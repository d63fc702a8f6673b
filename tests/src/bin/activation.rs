//! Fifty requests at once on cold services, round after round: see `tests/soak/activation`.

use std::process::ExitCode;

use eai_tests::activation::{Options, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match soak::asked(Options::read) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let of = options.rounds;
    let summary = run(&options, |summary| {
        let (rounds, violations) = (summary.rounds, summary.violations.len());
        let line = format!("round {rounds} of {of}, {violations} violations");
        soak::progress(&line, summary.rounds.is_multiple_of(10));
    })
    .await;
    soak::ended(&summary, summary.passed())
}
