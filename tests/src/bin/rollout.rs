//! Updates under load: see `tests/soak/rollout`.

use std::io::Write;
use std::process::ExitCode;

use eai_tests::rollout::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            say(&format!("error: {message}"));
            return ExitCode::from(2);
        }
    };
    let report = run(&options).await;
    say(&report.to_string());
    if report.is_clean() && report.saw_enough() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn say(text: &str) {
    // Nobody listens any more where this fails; the exit code still tells.
    drop(writeln!(std::io::stdout(), "{text}"));
}
