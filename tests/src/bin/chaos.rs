//! Kills and freezes a platform under writers, and judges what is left: see `tests/soak/chaos`.

use std::process::ExitCode;

use eai_tests::chaos::checker::check;
use eai_tests::chaos::options::Asked;
use eai_tests::chaos::{Record, run};
use eai_tests::soak;

#[tokio::main]
async fn main() -> ExitCode {
    let record = match soak::asked(Asked::read) {
        Ok(Asked::Check(folder)) => Record::read(&folder),
        Ok(Asked::Run(options)) => {
            soak::say(&format!("history: {}", options.folder.display()));
            run(&options).await
        }
        Err(code) => return code,
    };
    match record {
        Err(error) => soak::broke(&format!("the records cannot be kept or read: {error}")),
        Ok(record) => {
            let report = check(&record);
            soak::ended(&report, report.passed())
        }
    }
}
