//! A platform that starts one run and then does nothing, to be killed.
//!
//! `eai-test-platform FOLDER SHIM RUN`, the last one as JSON.

use std::io::Write as _;
use std::process::ExitCode;

use eai_executors::backend::Run;
use eai_executors::process::{Process, Settings};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, folder, shim, run] = args.as_slice() else {
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    runtime.block_on(start(folder, shim, run))
}

async fn start(folder: &str, shim: &str, run: &str) -> ExitCode {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let settings = Settings::new(folder.into(), vec![shim.into()], path);
    let Ok(run) = serde_json::from_str::<Run>(run) else {
        return ExitCode::from(2);
    };
    let Ok(process) = Process::new(settings).await else {
        return ExitCode::FAILURE;
    };
    if process.start(&run).await.is_err() {
        return ExitCode::FAILURE;
    }
    let mut out = std::io::stdout();
    if out
        .write_all(b"started\n")
        .and_then(|()| out.flush())
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    std::future::pending().await
}
