//! Why workers are replaced: whatever becomes of one is told with its reason and counted, on every backend; and what
//! is no fault of theirs is held against none.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use eai_tests::queue::{Queue, signal};
use eai_tests::{Api, Backend, Platform, text};
use rustix::process::Signal;
use serde_json::{Value, json};

eai_tests::on_each_backend! {
    whoever_goes_is_told_with_the_reason_and_replaced,
    one_that_is_frozen_while_the_platform_is_away_works_again_or_is_replaced,
}

const PATIENT: &[&str] = &["--heartbeat-timeout", "3600"];
const SOON: &[&str] = &["--heartbeat-timeout", "2"];

/// What becomes of the only worker of a queue.
#[derive(Clone, Copy)]
enum Fate {
    Signalled(Signal),
    Exits(i32),
    Cancelled,
}

/// The queue, what becomes of its worker, and the reason that is told, or how it begins.
const FATES: [(&str, &[&str], Fate, &str); 5] = [
    (
        "killed",
        PATIENT,
        Fate::Signalled(Signal::KILL),
        "loop-error",
    ),
    ("failed", PATIENT, Fate::Exits(3), "loop-error"),
    ("ended", PATIENT, Fate::Exits(0), "loop-finished"),
    ("cancelled", PATIENT, Fate::Cancelled, "loop-cancelled"),
    (
        "frozen",
        SOON,
        Fate::Signalled(Signal::STOP),
        "stale-heartbeat(",
    ),
];

async fn whoever_goes_is_told_with_the_reason_and_replaced(backend: Backend) {
    let platform = Platform::on(backend);
    let api = Api::of(&platform);
    for (name, flags, fate, _) in FATES {
        let queue = Queue::started(&platform, name, 1, flags);
        let before = queue.until_pids(&api, 1).await;
        match fate {
            Fate::Signalled(how) => signal(before[0], how),
            Fate::Exits(code) => {
                let task = json!({ "args": { "exit": code } }).to_string();
                let submit = ["task", "submit", name, &task, "--retries", "0"];
                platform.run(&submit, &[]).ok();
            }
            Fate::Cancelled => {
                let job = text(&queue.jobs(&api).await[0]["id"]);
                platform.cli(["job", "kill", &job]).ok();
            }
        }
        queue.until_health(&platform, "a replacement", |health| {
            health["workers_restarted_count"] == 1 && health["status"] == "running"
        });
        let after = queue.until_pids(&api, 1).await;
        assert_ne!(before, after, "{name}");
    }
    let told = reasons(&platform);
    for (name, _, _, reason) in FATES {
        let queue = Queue { name: name.into() };
        let worker = format!("{name}:0");
        let health = queue.health(&platform);
        assert_eq!(health["workers_restarted"], json!([worker]));
        let why = text(&health["restart_reasons"][&worker]);
        assert!(why.starts_with(reason), "{name}: {why}");
        assert!(told.contains(&why), "{name}: {told:?}");
        let status = queue.status(&platform);
        assert_eq!(
            (&status["restarted_workers"], &status["restart_reasons"]),
            (&json!([worker]), &json!({ &worker: why }))
        );
        let gate = |flags: &[&str]| {
            let output = queue.run(&platform, "health", &[&["--check"], flags].concat());
            (output.code, output.err)
        };
        let line = |line: &str| format!("[service_health_check] {line}\n");
        let exceeds = line("FAIL: restart rate 1.000 exceeds limit 0.250");
        assert_eq!(gate(&[]), (5, exceeds), "{name}");
        let passes = gate(&["--max-restart-rate", "1"]);
        assert_eq!(passes, (0, line("OK: ok")), "{name}");
        let gauges = ["--format", "prometheus"];
        let gauges = queue.run(&platform, "health", &gauges).ok();
        for (gauge, value) in [
            ("workers_restarted_count", "1"),
            ("restart_rate", "1.000000"),
            ("health_gate_code", "5"),
        ] {
            let line =
                format!("agilab_service_{gauge}{{app=\"{name}\",target=\"{name}\"}} {value}");
            assert!(
                gauges.lines().any(|gauge| gauge == line),
                "{line}\n{gauges}"
            );
        }
    }
}

/// The reasons of the events `worker.unhealthy`.
fn reasons(platform: &Platform) -> Vec<String> {
    let tail = ["events", "tail", "-n", "1000", "--type", "worker.unhealthy"];
    let printed = platform.run(&[&tail[..], &["--format", "json"]].concat(), &[]);
    let events = printed.ok();
    let events = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| text(&event["data"]["reason"])).collect()
}

async fn one_that_is_frozen_while_the_platform_is_away_works_again_or_is_replaced(
    backend: Backend,
) {
    let mut platform = Platform::on(backend);
    let queue = Queue::started(&platform, "q", 2, SOON);
    let before = queue.until_pids(&Api::of(&platform), 2).await;
    platform.kill();
    signal(before[0], Signal::STOP);
    platform.up();
    // A platform lets what it takes up go on, as far as its backend can.
    for worker in ["q:0", "q:1"] {
        let task = ["task", "submit", "q", "{}", "--worker", worker, "--wait"];
        platform.cli(task).ok();
    }
    let health = queue.until_running(&platform, 2);
    let after = queue.until_pids(&Api::of(&platform), 2).await;
    assert!(after.contains(&before[1]), "nothing was wrong with it");
    let replaced = usize::from(!after.contains(&before[0]));
    assert_eq!(health["workers_restarted_count"], replaced, "{health:#}");
    for reason in health["restart_reasons"].as_object().into_iter().flatten() {
        let why = text(reason.1);
        let known = why == "missing-heartbeat" || why.starts_with("stale-heartbeat(");
        assert!(known, "{why}");
    }
}

#[tokio::test]
async fn a_log_that_stands_still_or_is_away_is_no_fault_of_workers() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, SOON);
    let api = Api::of(&platform);
    let before = queue.until_pids(&api, 2).await;
    let ages = |health: &Value| -> Vec<f64> {
        let rows = health["worker_health"].as_array().unwrap().iter();
        rows.map(|row| row["heartbeat_age_sec"].as_f64().unwrap_or(f64::MAX))
            .collect()
    };
    for _ in 0..2 {
        platform.signal_nats(Signal::STOP);
        queue.until_health(&platform, "a silence of three timeouts", |health| {
            assert_eq!(
                (&health["status"], &health["workers_unhealthy"]),
                (&json!("running"), &json!([])),
                "{health:#}"
            );
            ages(health).into_iter().all(|age| age > 6.0)
        });
        platform.signal_nats(Signal::CONT);
        queue.until_health(&platform, "signs of life", |health| {
            ages(health).into_iter().all(|age| age < 2.0)
        });
    }
    platform.kill_nats();
    queue.until_health(&platform, "signs of life", |health| {
        health["client_status"] == "running" && ages(health).into_iter().all(|age| age < 2.0)
    });
    let health = queue.until_running(&platform, 2);
    assert_eq!(health["workers_restarted"], json!([]));
    assert_eq!(reasons(&platform), [""; 0]);
    assert_eq!(queue.pids(&api).await, before);
}
