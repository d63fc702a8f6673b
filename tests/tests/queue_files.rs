//! The health of queues in the shared folder, and while the event log is away: what is told then, and that it is.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use eai_tests::queue::Queue;
use eai_tests::{Platform, Setup, until};
use rustix::process::Signal;
use serde_json::{Value, json};

const PATIENT: &[&str] = &["--heartbeat-timeout", "3600"];

/// A platform with one more variable, which may name something in its home.
fn platform(name: &str, value: impl Fn(&Platform) -> String) -> Platform {
    let mut platform = Platform::stopped(Setup::default());
    let setup = Setup {
        environment: vec![(name.to_owned(), value(&platform))],
        ..Setup::default()
    };
    platform.set_up(setup);
    platform.up();
    platform
}

fn share(platform: &Platform) -> String {
    platform.path("share").to_str().unwrap().to_owned()
}

fn until_file(platform: &Platform, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = platform.path("share/service/q/health.json");
    until(what, || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(file) if wanted(&file) => Ok(file),
            _ => Err(text),
        }
    })
}

#[test]
fn the_file_counts_tasks_and_says_that_somebody_still_looks() {
    let platform = platform("AGI_CLUSTER_SHARE", share);
    let queue = Queue::started(&platform, "q", 1, PATIENT);
    let task = ["task", "submit", "q", r#"{"args":{"sleep":5}}"#];
    platform.cli(task).ok();
    platform.cli(["task", "submit", "q", "{}"]).ok();
    for (pending, running, done) in [(1, 1, 0), (0, 0, 2)] {
        let tasks = json!({ "pending": pending, "running": running, "done": done, "failed": 0 });
        until_file(&platform, "the tasks", |file| file["queue"] == tasks);
    }
    let before = until_file(&platform, "the file", |file| file["status"] == "running");
    let time = |file: &Value| file["timestamp"].as_f64().unwrap();
    until_file(&platform, "a later time", |file| time(file) > time(&before));
    drop(queue);
}

#[test]
fn a_file_that_cannot_be_written_is_named_nowhere_and_costs_nothing_else() {
    let platform = platform("AGI_CLUSTER_SHARE", share);
    // Where its folder is to be there is a file.
    fs::create_dir_all(platform.path("share/service")).unwrap();
    fs::write(platform.path("share/service/q"), "").unwrap();
    let queue = Queue::started(&platform, "q", 1, PATIENT);
    let health = until("no path", || {
        let health = queue.health(&platform);
        health
            .get("path")
            .is_none()
            .then_some(health.clone())
            .ok_or(health)
    });
    assert_eq!(health["status"], "running");
    assert_eq!(queue.status(&platform).get("health_path"), None);
    assert_eq!(queue.run(&platform, "health", &["--check"]).code, 0);
    fs::remove_file(platform.path("share/service/q")).unwrap();
    until("the path", || {
        let health = queue.health(&platform);
        health.get("path").is_some().then_some(()).ok_or(health)
    });
    until_file(&platform, "the file", |file| file["status"] == "running");
}

#[test]
fn a_log_that_is_away_is_told_and_keeps_nobody_waiting() {
    let server = |platform: &Platform| {
        let own = platform.path("nats-server");
        fs::copy(std::env::var_os("EAI_NATS_SERVER").unwrap(), &own).unwrap();
        own.to_str().unwrap().to_owned()
    };
    let platform = platform("EAI_NATS_SERVER", server);
    let queue = Queue::started(&platform, "q", 1, &["--heartbeat-timeout", "2"]);
    // It cannot be started again for now.
    let mode = |mode| {
        let own = platform.path("nats-server");
        fs::set_permissions(own, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o600);
    platform.signal_nats(Signal::KILL);
    let status = until("the log to be missed", || {
        let status = queue.status(&platform);
        let is_closed = status["client_status"] == "closed";
        is_closed.then_some(status.clone()).ok_or(status)
    });
    assert_eq!(status["status"], "error", "{status:#}");
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with("the event log has not answered for "),
        "{message}"
    );
    let gate = queue.run(&platform, "health", &["--check"]);
    let line = "[service_health_check] FAIL: service status is error\n";
    assert_eq!((gate.code, gate.err.as_str()), (3, line));
    let snapshot = queue.run(&platform, "snapshot", &[]).ok();
    assert!(snapshot.contains(r#""status": "error""#), "{snapshot}");
    mode(0o700);
    let health = queue.until_running(&platform, 1);
    assert_eq!(
        (&health["client_status"], &health["workers_restarted"]),
        (&json!("running"), &json!([]))
    );
}
