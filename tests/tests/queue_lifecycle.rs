//! Services with a queue: made off, started once, scaled, replaced, revised, stopped; and a platform that restarts.

use eai_tests::queue::{Queue, signal, workers};
use eai_tests::{Api, Platform, until};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Long enough for no machine to be blamed.
const PATIENT: &[&str] = &["--heartbeat-timeout", "3600"];

/// The types of the events about workers and the health of services, oldest first.
fn story(platform: &Platform) -> Vec<String> {
    let printed = platform
        .cli(["events", "tail", "-n", "1000", "--field", "type"])
        .ok();
    let told = |line: &&str| line.starts_with("eai.worker.") || line.contains("health_changed");
    printed.lines().filter(told).map(str::to_owned).collect()
}

fn count(story: &[String], event: &str) -> usize {
    story.iter().filter(|line| line.contains(event)).count()
}

/// Waits until there are so many processes of workers.
#[track_caller]
fn until_workers(platform: &Platform, wanted: usize) -> Vec<rustix::process::Pid> {
    until("the workers", || {
        let there = workers(platform);
        if there.len() == wanted {
            Ok(there)
        } else {
            Err(there)
        }
    })
}

#[tokio::test]
async fn a_queue_is_off_until_it_is_started_and_started_once() {
    let platform = Platform::start();
    let queue = Queue::new(&platform, "minimal_app_project", 2, PATIENT);
    let made = platform
        .cli(["service", "get", "minimal_app_project", "--format", "json"])
        .ok();
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["status"], "off");
    let terms = json!({ "workers": 2, "heartbeatTimeoutMs": 3_600_000, "stopTimeoutMs": 30_000 });
    assert_eq!(made["queue"], terms);
    assert_eq!(queue.health(&platform)["status"], "idle");
    let gate = queue.run(&platform, "health", &["--check"]);
    let idle = "service status is idle (use --allow-idle to accept)";
    assert_eq!(
        (gate.code, gate.err),
        (4, format!("[service_health_check] FAIL: {idle}\n"))
    );

    let started = queue.run(&platform, "start", &["--field", "status"]);
    assert_eq!(started.ok(), "on");
    let health = queue.until_running(&platform, 2);
    let names = json!(["minimal_app_project:0", "minimal_app_project:1"]);
    assert_eq!(
        (&health["workers_running"], &health["target"]),
        (&names, &json!("minimal_app"))
    );
    let again = queue.run(&platform, "start", &[]);
    let refused = "error: service `minimal_app_project` is running already: \
                   `eai service stop minimal_app_project` stops it first (http: 409, already-running)\n";
    assert_eq!((again.code, again.err.as_str()), (1, refused));

    let stopped = queue.run(&platform, "stop", &["--timeout", "5", "--field", "status"]);
    assert_eq!(stopped.ok(), "off");
    until_workers(&platform, 0);
    let health = queue.until_health(&platform, "a stop", |health| {
        health["workers_pending_count"] == 0
    });
    assert_eq!(
        (&health["status"], &health["workers_running"]),
        (&json!("stopped"), &json!([]))
    );
    let api = Api::of(&platform);
    let jobs = queue.jobs(&api).await;
    assert!(
        jobs.len() == 2 && jobs.iter().all(|job| job["state"] == "CANCELLED"),
        "{jobs:#?}"
    );
    assert_eq!(
        queue.run(&platform, "stop", &[]).code,
        0,
        "stopped twice is stopped"
    );

    queue.run(&platform, "start", &[]).ok();
    queue.until_running(&platform, 2);
    let again = queue.jobs(&api).await;
    assert_eq!(again.len(), 2, "the same jobs run again: {again:#?}");
    let story = story(&platform);
    assert_eq!(count(&story, "worker.restarted"), 0, "{story:?}");
    assert_eq!(count(&story, "worker.started"), 4, "{story:?}");
    assert_eq!(count(&story, "worker.stopped"), 2, "{story:?}");
}

#[test]
fn a_queue_with_nothing_to_run_does_not_start() {
    let platform = Platform::start();
    platform.cli(["service", "new", "q", "--queue"]).ok();
    let refused = platform.cli(["service", "start", "q"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("(http: 409, no-worker)"),
        "{}",
        refused.err
    );
    assert!(
        refused.err.contains("eai service update q --handler"),
        "{}",
        refused.err
    );
    platform.cli(["service", "new", "web"]).ok();
    for (arguments, code) in [
        (
            &["service", "scale", "web", "--workers", "2"][..],
            "not-a-queue",
        ),
        (&["service", "health", "web"], "not-a-queue"),
        (&["service", "status", "web"], "not-a-queue"),
        (&["service", "stop", "web", "--no-shutdown"], "not-a-queue"),
        (
            &["service", "update", "web", "--handler", "a.b"],
            "bad-spec",
        ),
        (&["service", "scale", "q", "--workers", "0"], "bad-queue"),
        (&["service", "scale", "q", "--workers", "257"], "bad-queue"),
        (
            &["service", "new", "x", "--queue", "--workers", "257"],
            "bad-queue",
        ),
        (
            &["service", "update", "q", "--handler", "nothing"],
            "bad-json",
        ),
    ] {
        let output = platform.run(arguments, &[]);
        assert_eq!(output.code, 1, "{arguments:?}");
        assert!(output.err.contains(code), "{arguments:?}: {}", output.err);
    }
    for usage in [
        &["service", "new", "x", "--workers", "2"][..],
        &["service", "new", "x", "--handler", "a.b"],
        &[
            "service",
            "new",
            "x",
            "--queue",
            "--handler",
            "a.b",
            "--agi-worker",
            "a.B",
        ],
        &[
            "service",
            "new",
            "x",
            "--queue",
            "--handler",
            "a.b",
            "--",
            "x",
        ],
    ] {
        assert_eq!(platform.run(usage, &[]).code, 2, "{usage:?}");
    }
    platform
        .cli(["service", "update", "q", "--handler", "app.handle"])
        .ok();
    platform
        .cli(["service", "start", "q", "--field", "status"])
        .ok();
}

#[test]
fn workers_come_and_go_with_their_wanted_number() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 1, PATIENT);
    let first = until_workers(&platform, 1);
    queue.run(&platform, "scale", &["--workers", "3"]).ok();
    queue.until_running(&platform, 3);
    assert!(until_workers(&platform, 3).contains(&first[0]));
    queue.run(&platform, "scale", &["--workers", "1"]).ok();
    queue.until_running(&platform, 1);
    assert_eq!(until_workers(&platform, 1), first, "the first one stays");
    queue.run(&platform, "scale", &["--workers", "2"]).ok();
    let health = queue.until_running(&platform, 2);
    assert_eq!(
        health["workers_restarted"],
        json!([]),
        "asked for is not replaced"
    );
}

#[test]
fn a_worker_that_dies_is_told_replaced_and_counted() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, PATIENT);
    let before = until_workers(&platform, 2);
    signal(before[0], Signal::KILL);
    let health = queue.until_health(&platform, "a replacement", |health| {
        health["workers_restarted_count"] == 1 && health["status"] == "running"
    });
    let restarted = health["workers_restarted"][0].as_str().unwrap();
    assert_eq!(
        health["restart_reasons"],
        json!({ restarted: "loop-error" })
    );
    assert_eq!(health["workers_unhealthy"], json!([]));
    let gate = queue.run(&platform, "health", &["--check"]);
    let line = "[service_health_check] FAIL: restart rate 0.500 exceeds limit 0.250\n";
    assert_eq!((gate.code, gate.err.as_str()), (5, line));
    let lenient = queue.run(
        &platform,
        "health",
        &["--check", "--max-restart-rate", "0.5"],
    );
    assert_eq!(
        (lenient.code, lenient.err.as_str()),
        (0, "[service_health_check] OK: ok\n")
    );
    let after = until_workers(&platform, 2);
    assert!(
        after.contains(&before[1]) && !after.contains(&before[0]),
        "{before:?} {after:?}"
    );
    let story = story(&platform);
    assert_eq!(
        (
            count(&story, "worker.unhealthy"),
            count(&story, "worker.restarted")
        ),
        (1, 1)
    );
    // Running, degraded, running again; what came before that are the starts.
    assert!(count(&story, "service.health_changed") >= 3, "{story:?}");
    let told = platform
        .cli([
            "events",
            "tail",
            "--type",
            "service.health_changed",
            "--format",
            "json",
        ])
        .ok();
    assert!(
        told.contains(r#""status":"degraded""#) && told.contains(r#""unhealthy":1"#),
        "{told}"
    );
}

#[test]
fn workers_notice_nothing_of_a_platform_that_restarts() {
    let mut platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, &["--heartbeat-timeout", "5"]);
    let before = until_workers(&platform, 2);
    let told = story(&platform);
    for kill in [true, false] {
        if kill {
            platform.kill();
        } else {
            assert_eq!(platform.stop(), 0);
        }
        platform.up();
        queue.until_running(&platform, 2);
        assert_eq!(workers(&platform), before);
    }
    let workers_of = |story: &[String]| count(story, "eai.worker.");
    assert_eq!(workers_of(&story(&platform)), workers_of(&told));
}

#[test]
fn what_ends_while_the_platform_is_away_is_replaced_when_it_is_back() {
    let mut platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, PATIENT);
    let before = until_workers(&platform, 2);
    platform.kill();
    signal(before[1], Signal::KILL);
    platform.up();
    queue.until_health(&platform, "a replacement", |health| {
        health["workers_restarted_count"] == 1 && health["status"] == "running"
    });
    assert!(until_workers(&platform, 2).contains(&before[0]));
}

#[test]
fn a_new_revision_comes_worker_by_worker() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, PATIENT);
    let before = until_workers(&platform, 2);
    let least = std::cell::Cell::new(2);
    queue.run(&platform, "update", &["-e", "LEVEL=debug"]).ok();
    until("both to be new", || {
        let there = workers(&platform);
        least.set(least.get().min(there.len()));
        let new = there.iter().filter(|pid| !before.contains(pid)).count();
        if new == 2 && there.len() == 2 {
            Ok(())
        } else {
            Err(there)
        }
    });
    assert!(least.get() >= 1, "one of them worked all the time");
    let health = queue.until_running(&platform, 2);
    assert_eq!(health["workers_restarted"], json!([]), "that is no failure");
    // One that does not come up costs one worker, and no more.
    let before = until_workers(&platform, 2);
    queue
        .run(&platform, "update", &["--", "/nowhere/to/be/found"])
        .ok();
    let health = queue.until_health(&platform, "a failure", |health| {
        health["workers_unhealthy_count"] == 1
    });
    assert_eq!(health["status"], "degraded", "{health:#}");
    assert!(workers(&platform).iter().any(|pid| before.contains(pid)));
    queue
        .run(
            &platform,
            "update",
            &["--", "python3", "-u", "/service/worker.py"],
        )
        .ok();
    queue.until_running(&platform, 2);
}

#[test]
fn workers_can_be_kept_over_a_stop() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, PATIENT);
    let before = until_workers(&platform, 2);
    queue.run(&platform, "stop", &["--no-shutdown"]).ok();
    assert_eq!(queue.health(&platform)["status"], "stopped");
    queue.run(&platform, "start", &[]).ok();
    queue.until_running(&platform, 2);
    assert_eq!(workers(&platform), before);
    queue.run(&platform, "stop", &["--no-shutdown"]).ok();
    queue.run(&platform, "stop", &[]).ok();
    until_workers(&platform, 0);
}

#[test]
fn workers_that_cannot_be_started_are_an_error() {
    let platform = Platform::start();
    let queue = Queue::new(&platform, "q", 1, PATIENT);
    queue
        .run(&platform, "update", &["--", "/nowhere/to/be/found"])
        .ok();
    queue.run(&platform, "start", &[]).ok();
    let status = until("an error", || {
        let status = queue.status(&platform);
        if status["status"] == "error" {
            Ok(status)
        } else {
            Err(status)
        }
    });
    let error = status["launch_errors"]["q:0"].as_str().unwrap_or_default();
    assert!(error.contains("/nowhere/to/be/found"), "{status:#}");
    assert!(
        status["message"]
            .as_str()
            .is_some_and(|text| text.ends_with(error)),
        "{status:#}"
    );
    let gate = queue.run(&platform, "health", &["--check", "--max-unhealthy", "1"]);
    let line = "[service_health_check] FAIL: service status is error\n";
    assert_eq!((gate.code, gate.err.as_str()), (3, line));
    queue
        .run(
            &platform,
            "update",
            &["--", "python3", "-u", "/service/worker.py"],
        )
        .ok();
    queue.until_running(&platform, 1);
}

#[test]
fn a_worker_that_is_frozen_is_told_within_its_timeout_and_replaced() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, &["--heartbeat-timeout", "2"]);
    let health = queue.until_health(&platform, "signs of life", |health| {
        let rows = health["worker_health"].as_array().unwrap();
        rows.iter().all(|row| row["heartbeat_state"] == "running")
    });
    let ages = health["worker_health"].as_array().unwrap().iter();
    assert!(
        ages.map(|row| row["heartbeat_age_sec"].as_f64().unwrap())
            .all(|age| age < 2.5),
        "{health:#}"
    );
    let before = until_workers(&platform, 2);
    signal(before[0], Signal::STOP);
    let health = queue.until_health(&platform, "the reason", |health| {
        health["workers_unhealthy_count"] == 1
    });
    assert_eq!(
        (&health["status"], &health["workers_running_count"]),
        (&json!("degraded"), &json!(1))
    );
    let rows = health["worker_health"].as_array().unwrap();
    let row = rows.iter().find(|row| row["healthy"] == false).unwrap();
    let reason = row["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("stale-heartbeat(") && reason.ends_with("s)"),
        "{reason}"
    );
    let gate = queue.run(&platform, "health", &["--check"]);
    let line = "[service_health_check] FAIL: unhealthy workers 1 exceeds limit 0\n";
    assert_eq!((gate.code, gate.err.as_str()), (2, line));
    let health = queue.until_health(&platform, "a replacement", |health| {
        health["workers_restarted_count"] == 1 && health["status"] == "running"
    });
    let replaced = row["worker"].as_str().unwrap();
    let why = health["restart_reasons"][replaced].as_str().unwrap();
    assert!(why.starts_with("stale-heartbeat("), "{health:#}");
    let after = until_workers(&platform, 2);
    assert!(
        after.contains(&before[1]) && !after.contains(&before[0]),
        "{before:?} {after:?}"
    );
}

#[test]
fn an_idle_queue_lets_its_workers_go_and_the_first_task_wakes_them() {
    let mut platform = Platform::start();
    let queue = Queue::started(
        &platform,
        "q",
        2,
        &["--heartbeat-timeout", "60", "--idle-timeout", "4"],
    );
    for restart in [false, true] {
        until_workers(&platform, 0);
        let health = queue.until_health(&platform, "sleep", |health| health["status"] == "idle");
        assert_eq!(
            (&health["workers_running"], &health["worker_health"]),
            (&json!([]), &json!([]))
        );
        if restart {
            platform.kill();
            platform.up();
            assert_eq!(queue.health(&platform)["status"], "idle");
            assert!(workers(&platform).is_empty(), "it sleeps on");
        }
        let answer = platform
            .cli(["task", "submit", "q", r#"{"args":{"x":1}}"#, "--wait"])
            .ok();
        assert!(answer.contains(r#""x":1"#), "{answer}");
    }
    let story = story(&platform);
    assert_eq!(
        count(&story, "worker.restarted") + count(&story, "worker.unhealthy"),
        0,
        "{story:?}"
    );
}

#[test]
fn tasks_are_counted_and_a_stop_waits_for_the_one_that_is_under_way() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 1, PATIENT);
    platform
        .cli(["task", "submit", "q", r#"{"args":{"sleep":2}}"#])
        .ok();
    queue.until_health(&platform, "a task under way", |health| {
        health["queue"]["running"] == 1
            && health["worker_health"][0]["heartbeat_state"] == "processing"
    });
    platform.cli(["task", "submit", "q", "{}"]).ok();
    queue.run(&platform, "stop", &["--timeout", "60"]).ok();
    until_workers(&platform, 0);
    let health = queue.health(&platform);
    let tasks = json!({ "pending": 1, "running": 0, "done": 1, "failed": 0 });
    assert_eq!(
        (&health["queue"], &health["status"]),
        (&tasks, &json!("stopped"))
    );
    queue.run(&platform, "start", &[]).ok();
    queue.until_health(&platform, "the other task", |health| {
        health["queue"]["done"] == 2
    });
}
