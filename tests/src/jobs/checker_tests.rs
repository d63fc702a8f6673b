//! Logs that are fine, and the same ones with something that may not be.

use serde_json::json;

use super::*;

const SERVICE: &str = "s";

fn event(aggregate: &str, kind: &str, data: &Value) -> Value {
    json!({
        "subject": aggregate,
        "type": format!("eai.{kind}.v1"),
        "time": "2026-11-27T12:00:00Z",
        "data": data,
    })
}

fn claimed(run: u64, executor: &str) -> Value {
    let data = json!({ "run": run, "claim": run + 1, "executor": executor, "epoch": 1 });
    event("job/j", "job.claimed", &data)
}

fn ended(run: u64, state: &str, reason: &str, code: Option<i64>) -> Value {
    let data = json!({
        "run": run, "claim": run + 1, "state": state, "reason": reason, "exitCode": code,
    });
    event("job/j", "job.ended", &data)
}

/// A job whose executor is lost, and that another one has until it exits.
fn fine() -> Vec<Value> {
    let started = |id: &str| {
        let data = json!({ "id": id, "epoch": 1, "adopted": [], "lost": [] });
        event(&format!("executor/{id}"), "executor.started", &data)
    };
    let begins = |run: u64| {
        let data = json!({ "run": run, "claim": run + 1 });
        event("job/j", "job.started", &data)
    };
    vec![
        started("a"),
        started("b"),
        event(
            "job/j",
            "job.submitted",
            &json!({ "service": { "id": SERVICE } }),
        ),
        claimed(0, "b"),
        begins(0),
        event("executor/b", "executor.lost", &json!({ "epoch": 1 })),
        ended(0, "INTERRUPTED", "executor-lost", None),
        event("job/j", "job.retried", &json!({ "run": 1 })),
        claimed(1, "a"),
        begins(1),
        ended(1, "SUCCEEDED", "exit", Some(0)),
    ]
}

fn name(run: u64) -> Name {
    Name {
        job: "j".to_owned(),
        run,
        claim: run + 1,
    }
}

fn seen() -> Seen {
    Seen {
        runs: [name(0), name(1)].into(),
        ..Seen::default()
    }
}

/// When the executor was lost, in Unix milliseconds.
const LOST: u64 = 1_795_780_800_000;

fn frozen() -> Fault {
    Fault {
        kind: FaultKind::FreezeOther,
        from: LOST - 4000,
        to: LOST + 1000,
    }
}

fn judge(log: &[Value], faults: &[Fault], seen: &Seen, one_engine: bool) -> Report {
    check(&Record {
        log,
        faults,
        seen,
        other: "b",
        codes: &HashMap::from([(SERVICE.to_owned(), vec![0])]),
        begun: &HashMap::from([(("j".to_owned(), 0), 1)]),
        one_engine,
    })
}

#[track_caller]
fn assert_wrong(report: &Report, what: &str) {
    let wrong = &report.violations;
    assert!(wrong.iter().any(|wrong| wrong.contains(what)), "{wrong:?}");
}

#[test]
fn what_may_be_is_clean() {
    let report = judge(&fine(), &[frozen()], &seen(), true);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.jobs, report.runs), (1, 2));
    assert_eq!((report.lost, report.taken_over), (1, 1));
}

#[test]
fn what_the_log_may_not_say_is_wrong() {
    let judge = |log: &[Value]| judge(log, &[frozen()], &seen(), true);
    for (what, at, added) in [
        ("it was claimed before", 5, claimed(0, "a")),
        (
            "the run ended before",
            8,
            ended(0, "SUCCEEDED", "exit", Some(0)),
        ),
        ("from another claim", 10, {
            let late = json!({ "run": 1, "claim": 1 });
            event("job/j", "job.ready", &late)
        }),
        ("it was started before", 5, fine()[4].clone()),
    ] {
        let mut log = fine();
        log.insert(at, added);
        assert_wrong(&judge(&log), what);
    }
    let mut log = fine();
    log.remove(6);
    assert_wrong(&judge(&log), "the run before has not ended");
    assert_wrong(&judge(&fine()[..10]), "never ended");
    let mut log = fine();
    log[10] = ended(1, "FAILED", "start-failed", None);
    assert_wrong(&judge(&log), "nothing explains");
}

#[test]
fn an_executor_to_which_nothing_was_done_is_not_lost() {
    let report = judge(&fine(), &[], &seen(), true);
    assert_wrong(&report, "nothing was done to it");
    let nats = Fault {
        kind: FaultKind::KillNats,
        ..frozen()
    };
    assert_wrong(
        &judge(&fine(), &[nats], &seen(), true),
        "nothing was done to it",
    );
}

#[test]
fn what_ran_at_once_or_twice_is_wrong() {
    let both = Seen {
        both: [(name(0), name(1))].into(),
        ..seen()
    };
    assert_wrong(&judge(&fine(), &[frozen()], &both, true), "went on beside");
    assert_eq!(judge(&fine(), &[frozen()], &both, false).beside, 1);
    let again = Seen {
        again: vec![name(1)],
        ..seen()
    };
    assert_wrong(&judge(&fine(), &[frozen()], &again, true), "began twice");
}
