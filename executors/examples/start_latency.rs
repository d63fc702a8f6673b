//! How long it takes from asking for a run to its first instruction, beside bare bubblewrap.
//!
//! `cargo run --release -p eai-executors --example start_latency -- SHIM [ARG..]`, where the shim
//! is `target/release/eai shim`. Prints milliseconds.

use std::ffi::OsString;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use eai_executors::backend::Run;
use eai_executors::process::{Process, Settings};

const ROUNDS: usize = 200;
/// What runs: it says the time.
const NOW: [&str; 2] = ["/usr/bin/date", "+%s%N"];

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let shim: Vec<OsString> = std::env::args_os().skip(1).collect();
    let folder = tempfile::tempdir()?;
    let path = std::env::var_os("PATH").ok_or("no PATH")?;
    let process = Process::new(Settings::new(folder.path().join("runs"), shim, path)).await?;
    let (mut ours, mut answered, mut ended, mut removed) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut bare = Vec::new();
    for round in 0..ROUNDS {
        let run = run(&format!("a{round}.0.1"));
        let begun = now()?;
        let running = process.start(&run).await?;
        answered.push(now()?.saturating_sub(begun));
        let mut output = running.output(0);
        let said = output.next().await?.ok_or("it said nothing")?;
        ours.push(parse(&said.bytes)?.saturating_sub(begun));
        let before = now()?;
        running.wait().await?;
        ended.push(now()?.saturating_sub(before));
        let before = now()?;
        running.remove().await?;
        removed.push(now()?.saturating_sub(before));
        bare.push(bare_bubblewrap()?);
    }
    tell("start() to the first instruction", ours);
    tell("start() to its answer", answered);
    tell("output to wait()", ended);
    tell("remove()", removed);
    tell("bare bubblewrap to the first instruction", bare);
    Ok(())
}

fn run(name: &str) -> Run {
    Run {
        name: name.to_owned(),
        hostname: "bench".to_owned(),
        image: String::new(),
        command: NOW.map(str::to_owned).to_vec(),
        env: Vec::new(),
        workdir: None,
        mounts: Vec::new(),
        cpu_milli: 1000,
        mem_mib: 256,
        gpus: 0,
        runtime: None,
        metadata: serde_json::Value::Null,
    }
}

/// The least that is a sandbox of the same kind.
fn bare_bubblewrap() -> Result<u64, Failure> {
    let line = "--reuid 13011 --regid 13011 --clear-groups bwrap --unshare-all --unshare-user \
                --disable-userns --die-with-parent --new-session --cap-drop ALL \
                --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib \
                --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --";
    let begun = now()?;
    let output = Command::new("setpriv")
        .args(line.split_whitespace())
        .args(NOW)
        .output()?;
    Ok(parse(&output.stdout)?.saturating_sub(begun))
}

fn now() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_nanos())?)
}

fn parse(said: &[u8]) -> Result<u64, Failure> {
    Ok(str::from_utf8(said)?.trim().parse()?)
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn tell(what: &str, mut nanos: Vec<u64>) {
    nanos.sort_unstable();
    let at = |share: usize| {
        let nanos = nanos.get(nanos.len() * share / 100).copied();
        std::time::Duration::from_nanos(nanos.unwrap_or_default()).as_secs_f64() * 1000.0
    };
    println!(
        "{what}: p50 {:.2}, p90 {:.2}, p99 {:.2}",
        at(50),
        at(90),
        at(99)
    );
}
