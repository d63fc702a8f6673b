//! A run from start to end: output, exit, connections.

mod common;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::*;
use eai_executors::backend::{ConnectError, Kind, Signal};
use eai_executors::process::{Process, Settings};

#[tokio::test]
async fn a_command_runs_says_something_and_ends() {
    let platform = Platform::new().await;
    let mut run = sh("a.0.1", "echo out; echo err >&2; echo $GREETING; exit 7");
    run.env = vec![("GREETING".to_owned(), "hi there".to_owned())];
    let running = platform.start(&run).await;
    let exit = wait(&running).await;
    assert_eq!((exit.code, exit.signal), (Some(7), None), "{exit:?}");
    assert!(!exit.oom && !exit.lost && exit.failure.is_none());
    assert!(exit.started > 0 && exit.ended >= exit.started);
    let mut output = running.output(0);
    let mut out = String::new();
    let mut err = String::new();
    while let Some(chunk) = output.next().await.unwrap() {
        match chunk.kind {
            Kind::Stdout => out.push_str(&String::from_utf8_lossy(&chunk.bytes)),
            Kind::Stderr => err.push_str(&String::from_utf8_lossy(&chunk.bytes)),
            Kind::Note => panic!("{chunk:?}"),
        }
    }
    assert_eq!(out, "out\nhi there\n");
    assert_eq!(err, "err\n");
    running.remove().await.unwrap();
    running.remove().await.unwrap();
    assert!(!platform.runs().join("a.0.1").exists());
}

/// A bubblewrap that gives up as often as the file says, in the middle of a sandbox.
fn tired_bubblewrap(folder: &Path, times: u32) -> OsString {
    let path = std::env::var_os("PATH").expect("a bubblewrap of the test's own");
    let real = std::env::split_paths(&path).map(|folder| folder.join("bwrap"));
    let real = real
        .into_iter()
        .find(|file| file.exists())
        .expect("a bubblewrap of the test's own");
    let (left, tired) = (folder.join("left"), folder.join("bwrap"));
    let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    fs::write(&left, times.to_string()).expect("a bubblewrap of the test's own");
    open(folder, 0o755).expect("a bubblewrap of the test's own");
    open(&left, 0o666).expect("a bubblewrap of the test's own");
    let (left, real) = (left.display(), real.display());
    let script = format!(
        "#!/bin/sh\ncase $1 in --args) ;; *) exec {real} \"$@\" ;; esac\nread -r left < {left}\n\
         [ \"$left\" = 0 ] && exec {real} \"$@\"\necho $((left - 1)) > {left}\n\
         exec {real} --ro-bind /no/such/place /x \"$@\"\n"
    );
    fs::write(&tired, script).expect("a bubblewrap of the test's own");
    open(&tired, 0o755).expect("a bubblewrap of the test's own");
    let mut first = folder.as_os_str().to_owned();
    first.push(":");
    first.push(path);
    first
}

#[tokio::test]
async fn a_sandbox_that_could_not_be_made_is_tried_again_before_the_command_began() {
    for (times, made) in [(2, true), (3, false)] {
        let (folder, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = tired_bubblewrap(tools.path(), 0);
        let settings = Settings::new(folder.path().join("runs"), shim(), path);
        let process = Process::new(settings).await.unwrap();
        tired_bubblewrap(tools.path(), times);
        let run = sh("tired.0.1", "echo begun");
        // That it could not be made may be known at once, or be how the run ended.
        let (said, failure) = match process.start(&run).await {
            Ok(running) => {
                let exit = wait(&running).await;
                let said = said(&running).await;
                running.remove().await.unwrap();
                (said, exit.failure.unwrap_or_default())
            }
            Err(error) => (String::new(), error.to_string()),
        };
        assert_eq!(said == "begun\n", made, "{times}: {said}");
        assert_eq!(
            failure.contains("/no/such/place"),
            !made,
            "{times}: {failure}"
        );
    }
}

#[tokio::test]
async fn two_runs_listen_on_one_port_and_each_is_reached() {
    let platform = Platform::new().await;
    let one = platform.start(&server("one.0.1", 8080, " from one")).await;
    let two = platform.start(&server("two.0.1", 8080, " from two")).await;
    says(&one, "up").await;
    says(&two, "up").await;
    assert_eq!(talk(&one, 8080, "hi").await, "hi from one");
    assert_eq!(talk(&two, 8080, "hi").await, "hi from two");
    let refused = one.connect(9).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Refused(9)), "{refused:?}");
    let listening = one.listening().await.unwrap();
    assert_eq!(listening.len(), 1);
    assert_eq!(listening[0].port, 8080);
    assert_eq!(listening[0].address.to_string(), "0.0.0.0");
    for running in [&one, &two] {
        running.remove().await.unwrap();
    }
    let gone = one.connect(8080).await.unwrap_err();
    assert!(matches!(gone, ConnectError::Gone), "{gone:?}");
}

#[tokio::test]
async fn signals_end_a_run() {
    let platform = Platform::new().await;
    let polite = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let running = platform.start(&sh("polite.0.1", polite)).await;
    says(&running, "up").await;
    running.signal(Signal::Term).await.unwrap();
    assert_eq!(wait(&running).await.code, Some(3));
    assert!(said(&running).await.contains("bye\n"));
    running.remove().await.unwrap();

    let deaf = "trap '' TERM; echo up; sleep 1000 & wait";
    let running = platform.start(&sh("deaf.0.1", deaf)).await;
    says(&running, "up").await;
    running.signal(Signal::Kill).await.unwrap();
    let exit = wait(&running).await;
    assert_eq!((exit.code, exit.signal), (Some(137), Some(9)), "{exit:?}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_command_that_is_not_there_ends_with_127_and_says_so() {
    let platform = Platform::new().await;
    let running = platform
        .start(&command("a.0.1", &["no-such-program"]))
        .await;
    let exit = wait(&running).await;
    assert_eq!(exit.code, Some(127), "{exit:?}");
    let said = said(&running).await;
    assert!(
        said.contains("[command not found: there is no \"no-such-program\""),
        "{said}"
    );
    running.remove().await.unwrap();
    let running = platform.start(&command("b.0.1", &["/etc/passwd"])).await;
    assert_eq!(wait(&running).await.code, Some(126));
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_frozen_run_does_nothing_until_it_is_thawed() {
    let platform = Platform::new().await;
    let script = "sh -c 'while :; do :; done' & echo up; wait";
    let running = platform.start(&sh("a.0.1", script)).await;
    says(&running, "up").await;
    running.thaw().await.unwrap();
    running.freeze().await.unwrap();
    running.freeze().await.unwrap();
    let frozen = busy_ticks().await;
    assert_eq!(busy_ticks().await, frozen);
    running.thaw().await.unwrap();
    let thawed = tokio::time::timeout(PATIENCE, async { while busy_ticks().await == frozen {} });
    thawed.await.expect("it goes on");
    // One that is frozen can be ended, too.
    running.freeze().await.unwrap();
    running.signal(Signal::Kill).await.unwrap();
    assert_eq!(wait(&running).await.code, Some(137));
    running.remove().await.unwrap();
}

/// How long the busy shell has had a processor, after a while in which it would have had more.
async fn busy_ticks() -> u64 {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..3 {
        tick.tick().await;
    }
    let busy = processes("while :; do :; done");
    let ticks = busy.iter().filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let after = stat.rsplit_once(')')?.1.to_owned();
        after.split_whitespace().nth(11)?.parse::<u64>().ok()
    });
    ticks.sum()
}
