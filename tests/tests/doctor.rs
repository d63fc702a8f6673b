//! What `eai doctor` finds on a machine on which a platform runs.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use eai_tests::{Platform, Setup};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

#[tokio::test]
async fn this_machine_is_looked_at() {
    let platform = Platform::start();
    let listen = platform.address().to_owned();
    let output = platform.cli(["doctor", "--listen", &listen, "--format", "json"]);
    let rows: Vec<Value> = output
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |check: &str| {
        let row = rows.iter().find(|row| row["check"] == check);
        row.unwrap_or_else(|| panic!("{check}: {rows:?}")).clone()
    };
    for check in ["fsync", "disk", "docker", "bubblewrap", "pasta", "cgroups"] {
        let row = of(check);
        assert_eq!(row["state"] == "ok", row["advice"] == "", "{row}");
    }
    assert_eq!(
        of("nats port")["state"],
        "warn",
        "the platform's own has it"
    );
    // The platform itself has the port, and what it runs with is found.
    assert_eq!(
        (&of("nats")["state"], &of("port")["state"]),
        (&json!("ok"), &json!("warn"))
    );
    let bad = rows.iter().any(|row| row["state"] == "bad");
    assert_eq!(output.code, i32::from(bad), "{}", output.err);
    let none = platform.cli(["doctor", "--nats-server", "/nowhere", "--field", "state"]);
    assert_eq!((none.code, none.out.lines().next()), (1, Some("bad")));
    let script = platform.cli(["completions", "bash"]).ok();
    assert!(script.contains("_eai()"), "{script}");
}

/// The nats-server of the tests, as a file.
fn nats_server() -> PathBuf {
    if let Some(path) = std::env::var_os("EAI_NATS_SERVER") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    places.find(|path| path.is_file()).expect("a nats-server")
}

#[test]
fn what_the_script_fetched_is_found_without_being_named() {
    let platform = Platform::stopped(Setup::default());
    let finding = |cache: &str| {
        let mut command = platform.command(&["doctor", "--format", "json"]);
        // No program is in the PATH.
        command
            .env_remove("EAI_NATS_SERVER")
            .env("PATH", "/nowhere");
        command.env("XDG_CACHE_HOME", platform.path(cache));
        let output = command.output().unwrap();
        let first = String::from_utf8_lossy(&output.stdout);
        let first = first.lines().next().unwrap_or_default();
        serde_json::from_str::<Value>(first).unwrap()
    };
    let missing = finding("empty");
    assert_eq!(missing["state"], "bad");
    let advice = missing["advice"].as_str().unwrap();
    assert!(advice.contains("`deploy/local/nats-server`"), "{advice}");

    let folder = platform.path(".cache/eai/nats-server-2.15.1");
    std::fs::create_dir_all(&folder).unwrap();
    let fetched = folder.join("nats-server");
    std::os::unix::fs::symlink(nats_server(), &fetched).unwrap();
    let found = finding(".cache");
    assert_eq!(found["state"], "ok", "{found}");
    let text = found["finding"].as_str().unwrap();
    assert!(text.ends_with(fetched.to_str().unwrap()), "{text}");

    // A platform takes it, too.
    let mut command = platform.command(&["server", "--listen", "127.0.0.1:0"]);
    command
        .env_remove("EAI_NATS_SERVER")
        .env("PATH", "/nowhere");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    printed.read_line(&mut first).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(first.starts_with("ready http"), "{first}");
}
