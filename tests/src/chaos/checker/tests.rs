//! Records made by hand: a good one passes, and each way of spoiling it is noticed.

mod executors;

use eai_core::digest::Digest;
use eai_core::ids::CommandId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Report, check};
use crate::chaos::history::{Action, Call, Outcome, Run, Verb};
use crate::chaos::record::{Record, Stored, Views};

/// When the run began, in microseconds of Unix time: 2026-01-01.
const BEGAN: u64 = 1_767_225_600_000_000;

const FILES: Uuid = Uuid::from_u128(1);
const WEB: Uuid = Uuid::from_u128(2);
const STOP: Uuid = Uuid::from_u128(3);
const START: Uuid = Uuid::from_u128(4);
const LOST: Uuid = Uuid::from_u128(5);
const AGAIN: Uuid = Uuid::from_u128(6);

fn made(command: Uuid, index: u32) -> Uuid {
    CommandId(command).aggregate(index)
}

/// Events before they have a place.
#[derive(Clone)]
struct Draft {
    kind: &'static str,
    id: String,
    name: &'static str,
    command: Uuid,
    data: Value,
}

fn draft(
    kind: &'static str,
    id: impl std::fmt::Display,
    name: &'static str,
    command: Uuid,
    data: Value,
) -> Draft {
    let id = id.to_string();
    Draft {
        kind,
        id,
        name,
        command,
        data,
    }
}

fn reserved(kind: &'static str, name: &str, command: Uuid, holder: Uuid) -> Draft {
    let data =
        json!({ "kind": kind, "fullName": format!("snow.testacc.{name}"), "holder": holder });
    draft("name", format!("{kind}-{name}"), "reserved", command, data)
}

/// Data `files`, service `web`, which is stopped and started.
fn drafts() -> Vec<Draft> {
    let [web, runtime, role] = [0, 1, 2].map(|index| made(WEB, index));
    let (runtime_name, role_name) = ("snow.testacc.web_runtime", "snow.testacc.web_role");
    let service = json!({ "id": web, "name": "web", "status": "on",
        "runtime": { "id": runtime, "fullName": runtime_name },
        "role": { "id": role, "fullName": role_name } });
    let files = made(FILES, 0);
    vec![
        reserved("data", "files", FILES, files),
        draft(
            "data",
            files,
            "created",
            FILES,
            json!({ "id": files, "name": "files" }),
        ),
        reserved("service", "web", WEB, web),
        reserved("data", "web_runtime", WEB, runtime),
        draft(
            "data",
            runtime,
            "created",
            WEB,
            json!({ "id": runtime, "name": "web_runtime" }),
        ),
        reserved("role", "web_role", WEB, role),
        draft(
            "role",
            role,
            "created",
            WEB,
            json!({ "id": role, "name": "web_role" }),
        ),
        draft("service", web, "created", WEB, service),
        draft("service", web, "stopped", STOP, json!({})),
        draft("service", web, "started", START, json!({})),
    ]
}

/// Gives drafts their places and links, as an honest log does.
fn store(drafts: &[Draft]) -> Vec<Stored> {
    let mut heads = std::collections::HashMap::new();
    let events = (1..).zip(drafts).map(|(sequence, draft)| {
        let Draft {
            kind,
            id,
            name,
            command,
            data,
        } = draft;
        let head = heads.get(&(kind, id)).copied().unwrap_or(Digest::ZERO);
        let event = CommandId(*command).event(kind, id, 0);
        let actor = if *kind == "executor" {
            "platform"
        } else {
            "user:x"
        };
        let payload = json!({
            "id": event, "type": format!("eai.{kind}.{name}.v1"), "subject": format!("{kind}/{id}"),
            "time": "2026-01-01T00:00:00.000001Z", "actor": actor, "commandid": command,
            "prevhash": head.to_string(), "data": data,
        })
        .to_string();
        heads.insert((kind, id), Digest::of(payload.as_bytes()));
        Stored {
            sequence,
            subject: format!("eai.event.snow.testacc.{kind}.{id}.{name}"),
            at: BEGAN,
            payload,
        }
    });
    events.collect()
}

fn call(command: Uuid, action: Action, start: u64, outcome: Outcome) -> Call {
    Call {
        writer: 0,
        command,
        action,
        late: false,
        start,
        end: start + 5,
        outcome,
    }
}

fn ok(id: Uuid, name: &str, state: Option<&str>) -> Outcome {
    let full_name = format!("snow.testacc.{name}");
    let state = state.map(str::to_owned);
    Outcome::Ok {
        id,
        full_name,
        state,
    }
}

fn refused(code: &str) -> Outcome {
    let message = String::new();
    let code = code.to_owned();
    Outcome::Refused { code, message }
}

/// One after the other: made, made, stopped (after a timeout), started; a race lost; a start of what is on.
fn good() -> Record {
    let web = made(WEB, 0);
    let change = |verb| Action::Change(web, verb);
    let files = || Action::NewData("files".into());
    let shown = |kind: &str, id: Uuid, name: &str| json!({ "id": id, "name": name, "fullName": format!("snow.testacc.{name}"), "kind": kind });
    let mut service = shown("service", web, "web");
    service["status"] = "on".into();
    service["runtime"] = "snow.testacc.web_runtime".into();
    service["role"] = "snow.testacc.web_role".into();
    Record {
        run: Run {
            began: BEGAN,
            ..Run::default()
        },
        calls: vec![
            call(FILES, files(), 0, ok(made(FILES, 0), "files", None)),
            call(
                WEB,
                Action::NewService("web".into()),
                10,
                ok(web, "web", Some("on")),
            ),
            call(LOST, files(), 20, refused("name-taken")),
            call(
                STOP,
                change(Verb::Stop),
                30,
                Outcome::Unknown("timeout".into()),
            ),
            call(STOP, change(Verb::Stop), 40, ok(web, "web", Some("off"))),
            call(START, change(Verb::Start), 50, ok(web, "web", Some("on"))),
            call(AGAIN, change(Verb::Start), 60, ok(web, "web", Some("on"))),
        ],
        log: store(&drafts()),
        views: Views {
            services: vec![service],
            data: vec![
                shown("data", made(FILES, 0), "files"),
                shown("data", made(WEB, 1), "web_runtime"),
            ],
            roles: vec![shown("role", made(WEB, 2), "web_role")],
            wrong: Vec::new(),
        },
        ..Record::default()
    }
}

/// The verdict on the good record after it was spoilt; it must not be clean.
#[track_caller]
fn spoilt(spoil: impl FnOnce(&mut Record)) -> Report {
    let mut record = good();
    spoil(&mut record);
    let report = check(&record);
    assert!(!report.is_clean(), "nothing was noticed: {report}");
    report
}

/// The same with other events in the log.
#[track_caller]
fn spoilt_log(spoil: impl FnOnce(&mut Vec<Draft>)) -> Report {
    let mut drafts = drafts();
    spoil(&mut drafts);
    spoilt(|record| record.log = store(&drafts))
}

#[track_caller]
fn says(report: &Report, what: &str) {
    let found = report
        .violations
        .iter()
        .any(|violation| violation.contains(what));
    assert!(found, "`{what}` is not among {:#?}", report.violations);
}

#[test]
fn a_good_run_is_clean() {
    let report = check(&good());
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.acked, report.found),
        (4, 4),
        "a start of what is on leaves nothing"
    );
    assert_eq!(report.counters.races_lost, 1);
    assert_eq!(report.counters.nothing_to_do, 1);
    let first = report.to_string();
    assert!(
        first.starts_with("acked=4 found=4 duplicate=0 gaps=0\n"),
        "{first}"
    );
}

#[test]
fn a_calm_run_is_void_where_faults_were_asked_for() {
    let mut record = good();
    record.run.kills = 4;
    let report = check(&record);
    assert!(report.is_clean() && !report.passed());
    assert!(report.to_string().contains("void: "), "{report}");
}

#[test]
fn each_event_that_is_missing_is_noticed() {
    for index in 0..good().log.len() {
        let report = spoilt(|record| drop(record.log.remove(index)));
        assert!(report.acked > report.found, "event {index}: {report}");
        // The end of the log has nothing behind it: only the acknowledgement tells.
        assert_eq!(
            report.gaps == 0,
            index == good().log.len() - 1,
            "event {index}: {report}"
        );
    }
}

#[test]
fn each_event_that_was_never_stored_is_noticed() {
    for index in 0..drafts().len() {
        let report = spoilt_log(|drafts| drop(drafts.remove(index)));
        assert!(report.acked > report.found, "event {index}: {report}");
    }
}

#[test]
fn each_event_that_is_stored_twice_is_noticed() {
    for index in 0..drafts().len() {
        let report = spoilt_log(|drafts| drafts.push(drafts[index].clone()));
        assert!(report.duplicate > 0, "event {index}: {report}");
        assert_eq!(report.gaps, 0, "event {index}: {report}");
    }
}

#[test]
fn events_in_another_order_are_noticed() {
    let report = spoilt_log(|drafts| drafts.swap(8, 9));
    says(&report, "happened to a service that was on");
    let report = spoilt_log(|drafts| drafts.rotate_left(2));
    says(&report, "stands behind it");
    let report = spoilt(|record| record.log.swap(8, 9));
    assert!(report.gaps > 0, "{report}");
}

#[test]
fn each_changed_byte_breaks_the_chain() {
    let report = spoilt(|record| {
        let payload = &mut record.log[7].payload;
        *payload = payload.replace("\"name\":\"web\"", "\"name\":\"wob\"");
    });
    assert_eq!(report.gaps, 1, "{report}");
}

#[test]
fn two_holders_of_a_name_are_noticed() {
    let report = spoilt_log(|drafts| {
        drafts.push(reserved("data", "files", LOST, made(LOST, 0)));
        let data = json!({ "id": made(LOST, 0), "name": "files" });
        drafts.push(draft("data", made(LOST, 0), "created", LOST, data));
    });
    says(&report, "takes a name that");
    says(&report, "was refused (name-taken), but is in the log");
}

#[test]
fn an_event_that_nobody_asked_for_is_noticed() {
    let report = spoilt_log(|drafts| drafts[9].command = Uuid::from_u128(99));
    says(&report, "which nobody sent");
}

#[test]
fn a_refusal_without_a_reason_is_noticed() {
    let report = spoilt(|record| record.calls[2].action = Action::NewData("free".into()));
    says(&report, "refused for a name that was free");
    for code in ["service-deactivated", "not-found", "conflict"] {
        let report = spoilt(|record| record.calls[6].outcome = refused(code));
        says(&report, "was refused for");
    }
}

#[test]
fn a_late_retry_must_answer_as_before() {
    let again = |outcome| {
        move |record: &mut Record| {
            let first = record.calls[0].clone();
            record.calls.push(Call {
                late: true,
                start: 80,
                end: 85,
                outcome,
                ..first
            });
        }
    };
    says(
        &spoilt(again(refused("conflict"))),
        "when it was sent again",
    );
    says(
        &spoilt(again(ok(Uuid::nil(), "files", None))),
        "answered 00000000",
    );
}

#[test]
fn a_change_that_is_acknowledged_has_happened_or_need_not() {
    // Stop is acknowledged, but the service was on all the time.
    let report = spoilt_log(|drafts| drop(drafts.drain(8..)));
    says(&report, "with something to do");
    assert_eq!((report.acked, report.found), (3, 2), "{report}");
}

#[test]
fn a_command_without_an_answer_is_noticed() {
    let report = spoilt(|record| drop(record.calls.remove(4)));
    says(&report, "was never answered");
}

#[test]
fn a_status_that_was_not_is_noticed() {
    let report = spoilt(|record| record.calls[6].outcome = ok(made(WEB, 0), "web", Some("off")));
    says(&report, "which the service was not then");
}

#[test]
fn views_that_differ_are_noticed() {
    says(
        &spoilt(|record| record.views.services[0]["status"] = "off".into()),
        "another status",
    );
    says(
        &spoilt(|record| drop(record.views.data.pop())),
        "are listed, the log has",
    );
    says(&spoilt(|record| record.views.data.reverse()), "another id");
}
