//! Services that fall idle and are woken, cycle after cycle: see `tests/soak/idle`.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use eai_tests::idle::{Options, Summary, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            say(&format!("error: {message}"));
            return ExitCode::from(2);
        }
    };
    let summary = run(&options, |summary| progress(summary, options.cycles)).await;
    say(&summary.to_string());
    if summary.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A line that is written over on a terminal; every fifth one elsewhere.
fn progress(summary: &Summary, of: u32) {
    let mut out = std::io::stderr();
    let end = if out.is_terminal() { '\r' } else { '\n' };
    if end == '\r' || summary.rounds.is_multiple_of(5) {
        let (cycles, violations) = (summary.cycles, summary.violations.len());
        drop(write!(
            out,
            "cycle {cycles} of {of}, {violations} violations{end}"
        ));
    }
}

fn say(text: &str) {
    // Nobody listens any more where this fails; the exit code still tells.
    drop(writeln!(std::io::stdout(), "{text}"));
}
