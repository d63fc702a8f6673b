mod gate;

use std::time::Duration as Time;

use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::ids::JobId;
use crate::job::Outcome;
use crate::service::{self, Queue};
use crate::worker::Condition;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-27 12:00:00.25 UTC);

/// Two workers at work, five seconds of patience.
fn facts() -> Facts {
    let mut queue = Queue::of(2);
    queue.heartbeat_timeout_ms = 5_000;
    Facts {
        name: "minimal_app_project".parse().unwrap(),
        status: service::Status::On,
        queue,
        asleep: false,
        places: (0..2).map(place).collect(),
        tasks: Tasks {
            pending: 4,
            running: 3,
            done: 2,
            failed: 1,
        },
        cleanup: Cleanup {
            done: 1,
            failed: 2,
            heartbeats: 3,
        },
        away: None,
        listening: Time::from_hours(1),
        queue_dir: None,
        now: NOW,
    }
}

fn place(index: u32) -> Place {
    Place {
        index,
        name: format!("minimal_app_project:{index}"),
        worker: Some(Worker {
            job: JobId(Uuid::from_u128(u128::from(index))),
            run: 0,
            revision: 1,
            condition: Condition::Well,
            message: String::new(),
            unlaunched: false,
            failures: 0,
            since: NOW - Duration::minutes(20),
            started: NOW - Duration::minutes(20),
            restarted: None,
            run_is: RunIs::Ready(NOW - Duration::minutes(20)),
        }),
        heartbeat: Some(Heartbeat {
            state: "running",
            age: Time::from_micros(999_400),
        }),
    }
}

/// With one thing changed about the first worker.
fn with(change: impl FnOnce(&mut Worker)) -> Facts {
    let mut facts = facts();
    change(facts.places[0].worker.as_mut().unwrap());
    facts
}

fn heard(heartbeat: Option<(&'static str, u64)>) -> Facts {
    let mut facts = facts();
    facts.places[0].heartbeat = heartbeat.map(|(state, ms)| Heartbeat {
        state,
        age: Time::from_millis(ms),
    });
    facts
}

fn over(outcome: Outcome, planned: bool) -> RunIs {
    RunIs::Over(Over {
        outcome,
        message: "signal 9 ended the command".into(),
        was_ready: false,
        planned,
    })
}

fn unhealthy(reason: &str) -> Condition {
    Condition::Unhealthy {
        reason: reason.into(),
    }
}

#[test]
fn the_status_follows_the_rules() {
    let stopped = |keeps: bool| {
        let mut facts = facts();
        facts.status = service::Status::Off;
        if !keeps {
            facts.places.clear();
        }
        facts
    };
    let everyone = |change: fn(&mut Worker)| {
        let mut facts = facts();
        for place in &mut facts.places {
            change(place.worker.as_mut().unwrap());
        }
        facts
    };
    let asleep = Facts {
        asleep: true,
        ..facts()
    };
    let deactivated = Facts {
        status: service::Status::Deactivated,
        ..facts()
    };
    let unlaunched = |worker: &mut Worker| {
        worker.unlaunched = true;
        worker.run_is = RunIs::Starting;
    };
    for (what, facts, status) in [
        ("all work", facts(), Status::Running),
        (
            "one starts",
            with(|worker| worker.run_is = RunIs::Starting),
            Status::Degraded,
        ),
        (
            "one died",
            with(|worker| worker.run_is = over(Outcome::Failed, false)),
            Status::Degraded,
        ),
        (
            "one is frozen",
            heard(Some(("processing", 5_001))),
            Status::Degraded,
        ),
        ("one never beat", heard(None), Status::Degraded),
        (
            "all start",
            everyone(|worker| worker.run_is = RunIs::Starting),
            Status::Degraded,
        ),
        (
            "all died",
            everyone(|worker| worker.run_is = over(Outcome::Failed, false)),
            Status::Degraded,
        ),
        ("none can be started", everyone(unlaunched), Status::Error),
        ("one cannot be started", with(unlaunched), Status::Degraded),
        ("nothing to do", asleep, Status::Idle),
        ("never started", stopped(false), Status::Idle),
        ("stopped", stopped(true), Status::Stopped),
        ("put away", deactivated, Status::Stopped),
    ] {
        assert_eq!(facts.service_status(), status, "{what}");
        assert_eq!(facts.health().status, status.as_str(), "{what}");
    }
}

#[test]
fn neither_tasks_nor_failures_of_tasks_make_a_status() {
    let mut facts = facts();
    facts.tasks = Tasks {
        pending: 9_999,
        running: 0,
        done: 0,
        failed: 9_999,
    };
    assert_eq!(facts.service_status(), Status::Running);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a row a line or so")]
fn each_worker_has_a_row() {
    let row = |future: &str, heartbeat: (&str, Option<f64>), reason: &str| {
        json!({
            "worker": "minimal_app_project:0", "future_state": future, "heartbeat_state": heartbeat.0,
            "heartbeat_age_sec": heartbeat.1, "healthy": reason.is_empty(), "reason": reason,
        })
    };
    let beats = ("running", Some(0.999));
    let mut just_ready = heard(None);
    just_ready.places[0].worker.as_mut().unwrap().run_is = RunIs::Ready(NOW - Duration::seconds(4));
    let mut deaf = heard(Some(("running", 60_000)));
    deaf.listening = Time::from_secs(1);
    let mut told = deaf.clone();
    told.places[0].worker.as_mut().unwrap().condition = unhealthy("stale-heartbeat(6.0s)");
    for (what, facts, expected) in [
        ("well", facts(), row("pending", beats, "")),
        (
            "at a task",
            heard(Some(("processing", 0))),
            row("pending", ("processing", Some(0.0)), ""),
        ),
        (
            "at the limit",
            heard(Some(("running", 5_000))),
            row("pending", ("running", Some(5.0)), ""),
        ),
        (
            "late",
            heard(Some(("running", 5_130))),
            row("pending", ("running", Some(5.13)), "stale-heartbeat(5.1s)"),
        ),
        (
            "warm and silent",
            heard(None),
            row("pending", ("missing", None), "missing-heartbeat"),
        ),
        (
            "not warm yet",
            just_ready,
            row("pending", ("missing", None), ""),
        ),
        (
            "nobody listened",
            deaf,
            row("pending", ("running", Some(60.0)), ""),
        ),
        (
            "it was told before",
            told,
            row("pending", ("running", Some(60.0)), "stale-heartbeat(6.0s)"),
        ),
        (
            "starting",
            with(|worker| worker.run_is = RunIs::Starting),
            row("pending", beats, ""),
        ),
        (
            "failed",
            with(|worker| worker.run_is = over(Outcome::Failed, false)),
            row("error", beats, "loop-error"),
        ),
        (
            "exited",
            with(|worker| worker.run_is = over(Outcome::Succeeded, false)),
            row("finished", beats, "loop-finished"),
        ),
        (
            "killed by hand",
            with(|worker| worker.run_is = over(Outcome::Cancelled, false)),
            row("cancelled", beats, "loop-cancelled"),
        ),
        (
            "its executor died",
            with(|worker| worker.run_is = over(Outcome::Interrupted, false)),
            row("lost", beats, "loop-lost"),
        ),
        (
            "ended as planned",
            with(|worker| worker.run_is = over(Outcome::Cancelled, true)),
            row("cancelled", beats, ""),
        ),
        (
            "told to have failed",
            with(|worker| worker.condition = unhealthy("loop-error")),
            row("error", beats, "loop-error"),
        ),
        (
            "frozen and on its way out",
            with(|worker| {
                worker.condition = unhealthy("stale-heartbeat(6.0s)");
                worker.run_is = RunIs::Ending;
            }),
            row("pending", beats, "stale-heartbeat(6.0s)"),
        ),
        (
            "frozen and gone",
            with(|worker| {
                worker.condition = unhealthy("stale-heartbeat(6.0s)");
                worker.run_is = over(Outcome::Cancelled, false);
            }),
            row("cancelled", beats, "stale-heartbeat(6.0s)"),
        ),
        (
            "nothing known",
            with(|worker| worker.run_is = RunIs::Unknown),
            row("detached", beats, ""),
        ),
    ] {
        let health = facts.health();
        assert_eq!(
            serde_json::to_value(&health.worker_health[0]).unwrap(),
            expected,
            "{what}"
        );
        let is_healthy = health
            .workers_healthy
            .contains(&"minimal_app_project:0".to_owned());
        assert_eq!(is_healthy, expected["healthy"] == true, "{what}");
        assert_eq!(
            health.workers_unhealthy.len() + health.workers_healthy.len(),
            2,
            "{what}"
        );
    }
}

#[test]
fn the_payload_has_every_field() {
    let mut facts = with(|worker| {
        worker.restarted = Some((NOW - Duration::minutes(10), "loop-error".into()));
        worker.run_is = RunIs::Starting;
    });
    facts.queue_dir = Some("/share/service/minimal_app/queue".into());
    let expected = json!({
        "schema": "agi.service.health.v1", "timestamp": 1_795_780_800.25, "app": "minimal_app_project",
        "target": "minimal_app", "status": "degraded",
        "workers_running": ["minimal_app_project:1"], "workers_pending": ["minimal_app_project:0"],
        "workers_restarted": ["minimal_app_project:0"],
        "workers_healthy": ["minimal_app_project:0", "minimal_app_project:1"], "workers_unhealthy": [],
        "workers_running_count": 1, "workers_pending_count": 1, "workers_restarted_count": 1,
        "workers_healthy_count": 2, "workers_unhealthy_count": 0,
        "queue": { "pending": 4, "running": 3, "done": 2, "failed": 1 },
        "restart_reasons": { "minimal_app_project:0": "loop-error" },
        "client_status": "running", "heartbeat_timeout_sec": 5.0,
        "queue_dir": "/share/service/minimal_app/queue", "cleanup": { "done": 1, "failed": 2, "heartbeats": 3 },
        "worker_health": [
            { "worker": "minimal_app_project:0", "future_state": "pending", "heartbeat_state": "running",
              "heartbeat_age_sec": 0.999, "healthy": true, "reason": "" },
            { "worker": "minimal_app_project:1", "future_state": "pending", "heartbeat_state": "running",
              "heartbeat_age_sec": 0.999, "healthy": true, "reason": "" },
        ],
    });
    assert_eq!(serde_json::to_value(facts.health()).unwrap(), expected);
}

#[test]
fn a_log_that_is_away_for_longer_than_a_worker_may_be_is_an_error() {
    let away = |ms| Facts {
        away: Some(Time::from_millis(ms)),
        ..facts()
    };
    for (facts, client, status) in [
        (facts(), "running", "running"),
        (away(5_000), "connecting", "running"),
        (away(5_001), "closed", "error"),
    ] {
        let reply = facts.status_reply();
        let seen = (&*reply.client_status, &*reply.status, &*reply.health.status);
        assert_eq!(seen, (client, status, status));
        assert_eq!(
            facts.health().gate(&Sla::default()).passes(),
            status != "error"
        );
        assert_eq!(reply.message.is_some(), status == "error");
        assert!(reply.launch_errors.is_empty());
        // That it was away is no news of the workers.
        assert_eq!(facts.summary().status, Status::Running);
    }
    assert_eq!(
        away(5_001).status_reply().message.unwrap(),
        "the event log has not answered for 5.0 s: see what the platform says of NATS in its own log"
    );
    let idle = Facts {
        asleep: true,
        ..away(5_001)
    };
    assert_eq!(idle.health().status, "idle", "it has nothing to lose");
}

#[test]
fn a_restart_counts_for_ten_minutes_and_a_worker_once() {
    let ago =
        |ago: Duration| with(|worker| worker.restarted = Some((NOW - ago, "loop-lost".into())));
    let health = ago(Duration::minutes(10)).health();
    assert_eq!(
        (health.workers_restarted_count, health.restart_rate()),
        (1, 0.5)
    );
    let health = ago(Duration::minutes(10) + Duration::milliseconds(1)).health();
    assert_eq!(
        (health.workers_restarted_count, health.restart_rate()),
        (0, 0.0)
    );
    assert!(health.restart_reasons.is_empty());
}

#[test]
fn what_is_stopped_has_no_workers_that_run() {
    let mut facts = with(|worker| worker.run_is = RunIs::Ending);
    facts.status = service::Status::Off;
    let health = facts.health();
    assert!(health.workers_running.is_empty() && health.worker_health.is_empty());
    assert_eq!(
        health.workers_pending,
        ["minimal_app_project:0"],
        "it is waited for"
    );
}

#[test]
fn the_status_reply_carries_the_counts_and_what_went_wrong() {
    let mut facts = facts();
    for place in &mut facts.places {
        let worker = place.worker.as_mut().unwrap();
        worker.unlaunched = true;
        worker.message = "there is no such program".into();
        worker.run_is = RunIs::Starting;
    }
    let reply = serde_json::to_value(facts.status_reply()).unwrap();
    assert_eq!(reply["status"], "error");
    let errors = json!({
        "minimal_app_project:0": "there is no such program", "minimal_app_project:1": "there is no such program",
    });
    assert_eq!(reply["launch_errors"], errors);
    assert_eq!(
        reply["message"],
        "no worker can be started: there is no such program"
    );

    let reply = serde_json::to_value(self::facts().status_reply()).unwrap();
    for absent in ["launch_errors", "message", "health_path", "queue_dir"] {
        assert_eq!(reply.get(absent), None, "{absent}");
    }
    assert_eq!(reply["workers"], reply["health"]["workers_running"]);
    for (name, value) in [
        ("status", json!("running")),
        ("pending", json!([])),
        ("workers_running_count", json!(2)),
        ("workers_pending_count", json!(0)),
        ("workers_restarted_count", json!(0)),
        ("workers_healthy_count", json!(2)),
        ("workers_unhealthy_count", json!(0)),
        ("client_status", json!("running")),
        ("heartbeat_timeout_sec", json!(5.0)),
        ("restarted_workers", json!([])),
        ("restart_reasons", json!({})),
        (
            "queue",
            json!({ "pending": 4, "running": 3, "done": 2, "failed": 1 }),
        ),
    ] {
        assert_eq!(reply[name], value, "{name}");
    }
}

#[test]
fn the_target_is_the_app_without_project() {
    for (app, expected) in [
        ("minimal_app_project", "minimal_app"),
        ("web", "web"),
        ("_project", ""),
    ] {
        assert_eq!(target(&app.parse().unwrap()), expected);
    }
}
