//! Tasks while what does them is killed and frozen: see `tests/soak/tasks`.

use std::io::Write;
use std::process::ExitCode;

use eai_tests::tasks::{Options, run};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            say(&format!("error: {message}"));
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(report) => {
            say(&report.to_string());
            if report.is_clean() && report.saw_enough() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            say(&format!("error: the records cannot be kept: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // Nobody listens any more where this fails; the exit code still tells.
    drop(writeln!(std::io::stdout(), "{text}"));
}
