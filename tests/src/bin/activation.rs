//! Fifty requests at once on cold services, round after round: see `tests/soak/activation`.

use std::io::Write;
use std::process::ExitCode;

use eai_tests::activation::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            say(&format!("error: {message}"));
            return ExitCode::from(2);
        }
    };
    let summary = run(&options).await;
    say(&summary.to_string());
    if summary.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn say(text: &str) {
    // Nobody listens any more where this fails; the exit code still tells.
    drop(writeln!(std::io::stdout(), "{text}"));
}
