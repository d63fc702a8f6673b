//! Kills and freezes a platform under writers, and judges what is left: see `tests/soak/chaos`.

use std::io::Write;
use std::process::ExitCode;

use eai_tests::chaos::checker::check;
use eai_tests::chaos::options::Asked;
use eai_tests::chaos::{Record, run};

#[tokio::main]
async fn main() -> ExitCode {
    let record = match Asked::read(std::env::args().skip(1)) {
        Ok(Asked::Check(folder)) => Record::read(&folder),
        Ok(Asked::Run(options)) => {
            say(&format!("history: {}", options.folder.display()));
            run(&options).await
        }
        Err(message) => {
            say(&format!("error: {message}"));
            return ExitCode::from(2);
        }
    };
    match record {
        Err(error) => {
            say(&format!(
                "error: the records cannot be kept or read: {error}"
            ));
            ExitCode::FAILURE
        }
        Ok(record) => {
            let report = check(&record);
            say(&report.to_string());
            if report.passed() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn say(text: &str) {
    // Nobody listens any more where this fails; the exit code still tells.
    drop(writeln!(std::io::stdout(), "{text}"));
}
