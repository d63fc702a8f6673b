//! The health of a queue as monitors, scripts and operators meet it: fields, gate, gauges, snapshot, files.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use eai_tests::queue::Queue;
use eai_tests::{Api, Platform, Setup, until};
use serde_json::{Value, json};

const PATIENT: &[&str] = &["--heartbeat-timeout", "3600"];
const OK: &str = "[service_health_check] OK: ok\n";

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// A platform with a shared folder, and a queue of two workers that work.
fn shared(name: &str) -> (Platform, Queue) {
    let mut platform = Platform::stopped(Setup::default());
    let share = platform.path("share");
    let share = share.to_str().unwrap().to_owned();
    platform.set_up(Setup {
        environment: vec![("AGI_CLUSTER_SHARE".into(), share)],
        ..Setup::default()
    });
    platform.up();
    let queue = Queue::started(&platform, name, 2, PATIENT);
    (platform, queue)
}

/// What a payload always has, and its place.
const FIELDS: [&str; 22] = [
    "schema",
    "timestamp",
    "app",
    "target",
    "status",
    "workers_running",
    "workers_pending",
    "workers_restarted",
    "workers_healthy",
    "workers_unhealthy",
    "workers_running_count",
    "workers_pending_count",
    "workers_restarted_count",
    "workers_healthy_count",
    "workers_unhealthy_count",
    "queue",
    "client_status",
    "heartbeat_timeout_sec",
    "queue_dir",
    "cleanup",
    "worker_health",
    "path",
];

#[test]
fn the_payload_has_every_field_and_nothing_else() {
    let (platform, queue) = shared("minimal_app_project");
    let health = queue.health(&platform);
    let mut always = FIELDS.to_vec();
    always.sort_unstable();
    assert_eq!(keys(&health), always);
    let names = json!(["minimal_app_project:0", "minimal_app_project:1"]);
    for (field, value) in [
        ("schema", json!("agi.service.health.v1")),
        ("app", json!("minimal_app_project")),
        ("target", json!("minimal_app")),
        ("status", json!("running")),
        ("workers_running", names.clone()),
        ("workers_healthy", names),
        ("workers_pending", json!([])),
        ("workers_restarted", json!([])),
        ("workers_unhealthy", json!([])),
        ("workers_running_count", json!(2)),
        ("workers_healthy_count", json!(2)),
        ("workers_pending_count", json!(0)),
        ("workers_restarted_count", json!(0)),
        ("workers_unhealthy_count", json!(0)),
        (
            "queue",
            json!({ "pending": 0, "running": 0, "done": 0, "failed": 0 }),
        ),
        (
            "cleanup",
            json!({ "done": 0, "failed": 0, "heartbeats": 0 }),
        ),
        ("client_status", json!("running")),
        ("heartbeat_timeout_sec", json!(3600.0)),
    ] {
        assert_eq!(health[field], value, "{field}");
    }
    let share = platform.path("share/service/minimal_app");
    assert_eq!(health["path"], share.join("health.json").to_str().unwrap());
    assert_eq!(health["queue_dir"], share.join("queue").to_str().unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let age = now - health["timestamp"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");
    let row = &health["worker_health"][1];
    let fields = [
        "future_state",
        "healthy",
        "heartbeat_age_sec",
        "heartbeat_state",
        "reason",
        "worker",
    ];
    assert_eq!(keys(row), fields);
    assert_eq!(row["worker"], "minimal_app_project:1");
    assert_eq!(
        (&row["future_state"], &row["healthy"], &row["reason"]),
        (&json!("pending"), &json!(true), &json!(""))
    );

    let file = until("the health in the shared folder", || {
        let file = read(&share.join("health.json"));
        if file["status"] == "running" {
            Ok(file)
        } else {
            Err(file)
        }
    });
    let mut without_path = always.clone();
    without_path.retain(|field| *field != "path");
    assert_eq!(keys(&file), without_path);
    let text = fs::read_to_string(share.join("health.json")).unwrap();
    assert!(
        text.starts_with("{\n  \"schema\": \"agi.service.health.v1\",\n"),
        "{text}"
    );
    queue.run(&platform, "stop", &["--timeout", "0"]).ok();
    until("the stop in the shared folder", || {
        let file = read(&share.join("health.json"));
        if file["status"] == "stopped" {
            Ok(())
        } else {
            Err(file)
        }
    });
    // It is written again and again, beside the file and then over it.
    let beside = share.join("health.json.tmp");
    until("nothing to be left beside it", || {
        if beside.exists() { Err(()) } else { Ok(()) }
    });
}

fn read(path: &std::path::Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

#[test]
fn the_status_carries_the_counts() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, PATIENT);
    let printed = queue.run(&platform, "status", &[]).ok();
    let lines: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[1],
        ["running", "2", "0", "0", "0", "0", "0", "0"],
        "{printed}"
    );
    let count = ["--field", "workers_running_count"];
    assert_eq!(queue.run(&platform, "status", &count).ok(), "2");
    let status = queue.status(&platform);
    for field in [
        "status",
        "workers",
        "pending",
        "client_status",
        "queue",
        "cleanup",
        "heartbeat_timeout_sec",
        "worker_health",
        "restarted_workers",
        "restart_reasons",
        "health",
    ] {
        assert!(status.get(field).is_some(), "{field}: {status:#}");
    }
    assert_eq!(status["workers"], json!(["q:0", "q:1"]));
    assert_eq!(status["health"]["workers_running_count"], 2);
}

#[test]
fn the_check_ends_as_scripts_expect() {
    let platform = Platform::start();
    let queue = Queue::new(&platform, "q", 2, PATIENT);
    let settings = platform.path("app_settings.toml");
    let written = |text: &str| {
        fs::write(&settings, format!("[cluster.service_health]\n{text}\n")).unwrap();
    };
    let settings = settings.to_str().unwrap();
    let check = |flags: &[&str]| {
        let output = queue.run(&platform, "health", &[&["--check"], flags].concat());
        let payload: Value = serde_json::from_str(&output.out).expect("clean JSON");
        assert_eq!(payload["schema"], "agi.service.health.v1");
        (output.code, output.err)
    };
    let fail = |code, reason: &str| (code, format!("[service_health_check] FAIL: {reason}\n"));
    let pass = || (0, OK.to_owned());
    let idle = || fail(4, "service status is idle (use --allow-idle to accept)");

    assert_eq!(check(&[]), idle());
    assert_eq!(check(&["--allow-idle"]), pass());
    assert_eq!(check(&["--allow-idle", "--no-allow-idle"]), idle());
    written("allow_idle = \"yes\"");
    assert_eq!(check(&["--settings", settings]), pass());
    assert_eq!(check(&["--settings", settings, "--no-allow-idle"]), idle());
    written("allow_idle = \"perhaps\"");
    assert_eq!(check(&["--settings", settings]), idle());
    written("allow_idle = true\nmax_unhealthy = -1\nmax_restart_rate = 7");
    assert_eq!(check(&["--settings", settings]), pass());

    queue.run(&platform, "start", &[]).ok();
    queue.until_running(&platform, 2);
    for flags in [
        &[][..],
        &["--max-unhealthy", "-3"],
        &["--max-restart-rate", "-1"],
        &["--max-restart-rate", "9", "--max-unhealthy", "9"],
    ] {
        assert_eq!(check(flags), pass(), "{flags:?}");
    }
    queue.run(&platform, "stop", &["--timeout", "0"]).ok();
    assert_eq!(check(&[]), fail(3, "service status is stopped"));
    assert_eq!(
        check(&["--allow-idle"]),
        fail(3, "service status is stopped")
    );
    assert_eq!(check(&["--allow-stopped"]), pass());

    // Whatever else goes wrong is 1, and says so in the same place; a wrong command line is 2.
    for (arguments, code) in [
        (&["service", "health", "nobody", "--check"][..], 1),
        (
            &[
                "service",
                "health",
                "q",
                "--check",
                "--settings",
                "/nowhere/x.toml",
            ],
            1,
        ),
        (
            &[
                "--url",
                "http://127.0.0.1:9",
                "service",
                "health",
                "q",
                "--check",
            ],
            1,
        ),
        (
            &[
                "service",
                "health",
                "q",
                "--check",
                "--max-unhealthy",
                "many",
            ],
            2,
        ),
        (&["service", "health", "--check"], 2),
    ] {
        let output = platform.run(arguments, &[("EAI_RETRY_FOR", "0s")]);
        assert_eq!(
            (output.code, output.out.as_str()),
            (code, ""),
            "{arguments:?}"
        );
        let told = output.err.starts_with("[service_health_check] ERROR: ");
        assert_eq!(told, code == 1, "{arguments:?}: {}", output.err);
    }
}

#[test]
fn what_is_printed_is_sorted_and_can_be_written() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 1, PATIENT);
    let path = platform.path("out.json");
    let flags = ["--output", path.to_str().unwrap()];
    let printed = queue.run(&platform, "health", &flags).ok();
    assert!(
        printed.starts_with("{\n  \"app\": \"q\",\n  \"cleanup\": {\n    \"done\": 0,\n"),
        "{printed}"
    );
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["path"], path.to_str().unwrap());
    let file = read(&path);
    assert_eq!(file.get("path"), None);
    assert_eq!(file["timestamp"], printed["timestamp"]);
    let refused = queue.run(
        &platform,
        "health",
        &["--check", "--output", "/nowhere/at/all.json"],
    );
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.starts_with("[service_health_check] ERROR: "),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn the_gauges_are_those_of_the_contract() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "minimal_app_project", 2, PATIENT);
    Queue::new(&platform, "other", 1, &[]);
    let flags = [
        "--format",
        "prometheus",
        "--allow-idle",
        "--max-restart-rate",
        "0.5",
    ];
    let printed = queue.run(&platform, "health", &flags).ok();
    let labels = "app=\"minimal_app_project\",target=\"minimal_app\"";
    for (name, value) in [
        ("agilab_service_workers_running_count", "2"),
        ("agilab_service_workers_unhealthy_count", "0"),
        ("agilab_service_workers_restarted_count", "0"),
        ("agilab_service_restart_rate", "0.000000"),
        ("agilab_service_health_gate_pass", "1"),
        ("agilab_service_health_gate_code", "0"),
        ("agilab_service_sla_allow_idle", "1"),
        ("agilab_service_sla_max_unhealthy", "0"),
        ("agilab_service_sla_max_restart_rate", "0.500000"),
    ] {
        let line = format!("{name}{{{labels}}} {value}");
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}\n{printed}"
        );
    }
    for (state, value) in [
        ("running", 1),
        ("idle", 0),
        ("degraded", 0),
        ("error", 0),
        ("stopped", 0),
        ("unknown", 0),
    ] {
        let line = format!("agilab_service_status{{{labels},state=\"{state}\"}} {value}");
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}\n{printed}"
        );
    }

    let api = Api::of(&platform);
    let answer = api.get("/metrics").await;
    let text = answer.text();
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "agilab_service_workers_running_count{account=\"snow.testacc\",app=\"minimal_app_project\",target=\"minimal_app\"} 2",
        "agilab_service_status{account=\"snow.testacc\",app=\"other\",target=\"other\",state=\"idle\"} 1",
        "agilab_service_health_gate_code{account=\"snow.testacc\",app=\"other\",target=\"other\"} 4",
    ] {
        assert!(
            text.lines().any(|printed| printed == line),
            "{line}\n{text}"
        );
    }
    assert_eq!(
        text.matches("# TYPE agilab_service_status gauge").count(),
        1
    );
    assert_eq!(api.with_token("none").get("/metrics").await.status, 401);
}

#[test]
fn a_snapshot_is_what_operators_know() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "minimal_app_project", 2, PATIENT);
    let path = platform.path("snapshot.json");
    let flags = [
        "--allow-idle",
        "--max-unhealthy",
        "3",
        "--output",
        path.to_str().unwrap(),
    ];
    assert_eq!(queue.run(&platform, "snapshot", &flags).ok(), "");
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("{\n  \"app\": \"minimal_app_project\",\n") && text.ends_with("}\n"),
        "{text}"
    );
    let file: Value = serde_json::from_str(&text).unwrap();
    let fields = [
        "app",
        "exported_at",
        "health_gate",
        "schema",
        "status",
        "summary",
        "target",
        "worker_health",
    ];
    assert_eq!(keys(&file), fields);
    assert_eq!(file["schema"], "agilab.service.operator_snapshot.v1");
    assert_eq!(
        (&file["status"], &file["target"]),
        (&json!("running"), &json!("minimal_app"))
    );
    let gate = json!({
        "allow_idle": true, "max_unhealthy": 3, "max_restart_rate": 0.25, "heartbeat_timeout_sec": 3600.0,
    });
    assert_eq!(file["health_gate"], gate);
    assert_eq!(
        file["exported_at"].as_str().map(str::len),
        Some("2026-11-21T22:50:00".len())
    );
    let fields = [
        "late_heartbeats",
        "max_heartbeat_age_sec",
        "missing_heartbeats",
        "reason_examples",
        "tracked_workers",
        "unhealthy_workers",
    ];
    assert_eq!(keys(&file["summary"]), fields);
    assert_eq!(file["summary"]["tracked_workers"], 2);
    let printed = queue.run(&platform, "snapshot", &[]).ok();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["worker_health"].as_array().map(Vec::len), Some(2));
    // The time is that of whoever asks, without a zone: here no hour of the day is both.
    let hour = |zone: &str| {
        let arguments = ["service", "snapshot", "minimal_app_project"];
        let printed = platform.run(&arguments, &[("TZ", zone)]).ok();
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let time = printed["exported_at"].as_str().unwrap().to_owned();
        time.get(11..13).unwrap().parse::<u32>().unwrap()
    };
    let ahead = (hour("EAST-9") + 24 - hour("UTC0")) % 24;
    assert!(ahead == 9 || ahead == 8, "{ahead}: an hour may have begun");
}

#[tokio::test]
async fn what_was_cleared_away_is_counted() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 1, &[]);
    let mut submit = platform.command(&["task", "submit", "q", "-", "--wait"]);
    submit.stdin(std::process::Stdio::piped());
    let mut submit = submit.spawn().unwrap();
    let mut lines = submit.stdin.take().unwrap();
    std::io::Write::write_all(&mut lines, b"{}\n{}\n{}\n").unwrap();
    drop(lines);
    assert!(submit.wait().unwrap().success());
    assert_eq!(queue.health(&platform)["queue"]["done"], 3);
    platform.cli(["task", "purge", "q"]).ok();
    let health = queue.health(&platform);
    let cleanup = json!({ "done": 3, "failed": 0, "heartbeats": 0 });
    assert_eq!(
        (&health["cleanup"], &health["queue"]["done"]),
        (&cleanup, &json!(0))
    );
    assert_eq!(queue.status(&platform)["cleanup"], cleanup);
}
