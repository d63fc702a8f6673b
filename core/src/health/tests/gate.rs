//! What is made of a health: the gate, gauges, a snapshot.

use serde_json::Value;

use super::*;

/// A health with these numbers: workers that run, pend, are unhealthy, were restarted.
fn numbers(status: &str, [running, pending, unhealthy, restarted]: [u64; 4]) -> Health {
    Health {
        status: status.into(),
        workers_running_count: running,
        workers_pending_count: pending,
        workers_unhealthy_count: unhealthy,
        workers_restarted_count: restarted,
        ..facts().health()
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row a line or so")]
fn the_gate_follows_the_table() {
    let usual = Sla::default();
    let idle = Sla {
        allow_idle: true,
        ..usual
    };
    let stopped = Sla {
        allow_stopped: true,
        ..usual
    };
    let lenient = Sla {
        max_unhealthy: 1,
        max_restart_rate: 0.5,
        ..usual
    };
    for (status, counts, sla, code, reason) in [
        ("running", [2, 0, 0, 0], usual, 0, "ok"),
        (
            "running",
            [1, 0, 1, 0],
            usual,
            2,
            "unhealthy workers 1 exceeds limit 0",
        ),
        (
            "error",
            [0, 2, 2, 2],
            usual,
            2,
            "unhealthy workers 2 exceeds limit 0",
        ),
        (
            "degraded",
            [1, 1, 1, 0],
            lenient,
            3,
            "service status is degraded",
        ),
        ("running", [2, 0, 1, 0], lenient, 0, "ok"),
        (
            "running",
            [2, 0, 2, 0],
            lenient,
            2,
            "unhealthy workers 2 exceeds limit 1",
        ),
        ("error", [0, 2, 0, 2], usual, 3, "service status is error"),
        (
            "degraded",
            [1, 1, 0, 2],
            usual,
            3,
            "service status is degraded",
        ),
        (
            "idle",
            [0, 0, 0, 0],
            usual,
            4,
            "service status is idle (use --allow-idle to accept)",
        ),
        ("idle", [0, 0, 0, 0], idle, 0, "ok"),
        (
            "running",
            [2, 0, 0, 1],
            usual,
            5,
            "restart rate 0.500 exceeds limit 0.250",
        ),
        ("running", [4, 0, 0, 1], usual, 0, "ok"),
        ("running", [2, 0, 0, 1], lenient, 0, "ok"),
        (
            "running",
            [2, 0, 0, 2],
            lenient,
            5,
            "restart rate 1.000 exceeds limit 0.500",
        ),
        (
            "stopped",
            [0, 0, 0, 0],
            usual,
            3,
            "service status is stopped",
        ),
        ("stopped", [0, 0, 0, 0], stopped, 0, "ok"),
        (
            "unknown",
            [2, 0, 0, 0],
            usual,
            3,
            "service status is unknown",
        ),
        (
            "partial",
            [2, 0, 0, 0],
            stopped,
            3,
            "service status is partial",
        ),
        ("", [2, 0, 0, 0], idle, 3, "service status is unknown"),
        (
            "running",
            [0, 0, 0, 0],
            usual,
            3,
            "service status is running without workers",
        ),
    ] {
        let verdict = numbers(status, counts).gate(&sla);
        assert_eq!(
            (verdict.code, verdict.reason.as_str()),
            (code, reason),
            "{status} {counts:?}"
        );
        assert_eq!(verdict.passes(), code == 0);
    }
}

#[test]
fn rates_are_shares() {
    for (written, expected) in [
        (-1.0, 0.0),
        (0.3, 0.3),
        (7.0, 1.0),
        (f64::NAN, 0.25),
        (f64::INFINITY, 1.0),
    ] {
        assert!(
            (Sla::restart_rate(written) - expected).abs() < f64::EPSILON,
            "{written}"
        );
    }
}

#[test]
fn gauges_are_in_families() {
    let measured = |status: &str, labels: Vec<(&'static str, String)>| Measured {
        labels,
        health: numbers(status, [2, 1, 1, 1]),
        sla: Sla::default(),
    };
    let text = prometheus(&[measured("running", vec![])]);
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let labels = r#"app="minimal_app_project",target="minimal_app""#;
    let mut expected: Vec<String> = [
        ("workers_running_count", "2"),
        ("workers_unhealthy_count", "1"),
        ("workers_restarted_count", "1"),
        ("restart_rate", "0.333333"),
        ("health_gate_pass", "0"),
        ("health_gate_code", "2"),
        ("sla_allow_idle", "0"),
        ("sla_max_unhealthy", "0"),
        ("sla_max_restart_rate", "0.250000"),
    ]
    .map(|(name, value)| format!("agilab_service_{name}{{{labels}}} {value}"))
    .into();
    for (state, value) in [
        ("running", 1),
        ("idle", 0),
        ("degraded", 0),
        ("error", 0),
        ("stopped", 0),
        ("unknown", 0),
    ] {
        expected.push(format!(
            "agilab_service_status{{{labels},state=\"{state}\"}} {value}"
        ));
    }
    assert_eq!(lines, expected);
    assert_eq!(text.matches("# TYPE").count(), 10);

    let two = prometheus(&[
        measured("running", vec![("account", "a\"b".into())]),
        measured("partial", vec![("account", "c".into())]),
    ]);
    assert_eq!(
        two.matches("# TYPE").count(),
        10,
        "each family is declared once"
    );
    assert!(two.contains(r#"{account="a\"b",app="#));
    assert!(two.contains(r#"state="partial"} 1"#));
}

#[test]
fn a_snapshot_sums_up() {
    let mut facts = heard(Some(("running", 5_130)));
    facts.places[1].heartbeat = None;
    let sla = Sla {
        allow_idle: true,
        max_unhealthy: 3,
        ..Sla::default()
    };
    let snapshot = Snapshot::new(&facts.health(), &sla, "2026-11-21T22:50:00".into());
    let mut value = serde_json::to_value(snapshot).unwrap();
    assert_eq!(value["worker_health"].as_array().map(Vec::len), Some(2));
    value["worker_health"] = Value::Null;
    let expected = json!({
        "schema": "agilab.service.operator_snapshot.v1", "exported_at": "2026-11-21T22:50:00",
        "app": "minimal_app_project", "target": "minimal_app", "status": "degraded",
        "health_gate": { "allow_idle": true, "max_unhealthy": 3, "max_restart_rate": 0.25, "heartbeat_timeout_sec": 5.0 },
        "summary": {
            "tracked_workers": 2, "unhealthy_workers": 2, "late_heartbeats": 1, "missing_heartbeats": 1,
            "max_heartbeat_age_sec": 5.13, "reason_examples": ["stale-heartbeat(5.1s)", "missing-heartbeat"],
        },
        "worker_health": null,
    });
    assert_eq!(value, expected);
}

#[test]
fn a_snapshot_tells_three_reasons() {
    let mut health = facts().health();
    let row = health.worker_health[0].clone();
    health.worker_health = ["a", "b", "a", "", "c", "d"]
        .map(|reason| WorkerHealth {
            reason: reason.into(),
            heartbeat_age_sec: None,
            ..row.clone()
        })
        .into();
    let summary = Snapshot::new(&health, &Sla::default(), String::new()).summary;
    assert_eq!(summary.reason_examples, ["a", "b", "c"]);
    assert_eq!(summary.max_heartbeat_age_sec, None);
}
