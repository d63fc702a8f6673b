//! Logs in which executors speak, as they may and as they may not.

use serde_json::json;
use uuid::Uuid;

use super::{BEGAN, Draft, WEB, draft, drafts, good, made, says, store};
use crate::chaos::checker::{Report, check};
use crate::chaos::history::{Fault, FaultKind};

const EXECUTOR: Uuid = Uuid::from_u128(70);

fn started(epoch: u64) -> Draft {
    let data = json!({ "id": EXECUTOR, "epoch": epoch, "adopted": [], "lost": [] });
    draft("executor", EXECUTOR, "started", command(epoch, 0), data)
}

fn stopped(epoch: u64) -> Draft {
    let data = json!({ "epoch": epoch });
    draft("executor", EXECUTOR, "stopped", command(epoch, 1), data)
}

fn command(epoch: u64, which: u128) -> Uuid {
    Uuid::from_u128(1000 + 2 * u128::from(epoch) + which)
}

/// The verdict on the good record with these events behind its own, after two new starts of the platform.
fn judge(events: &[Draft]) -> Report {
    let mut record = good();
    record.log = store(&[drafts(), events.to_vec()].concat());
    record.faults = [
        FaultKind::KillPlatform,
        FaultKind::KillNats,
        FaultKind::Ended,
    ]
    .map(|kind| Fault {
        at: 1,
        kind,
        millis: 1,
    })
    .to_vec();
    check(&record)
}

#[track_caller]
fn noticed(events: &[Draft], what: &str) {
    let report = judge(events);
    assert!(!report.is_clean(), "nothing was noticed: {report}");
    says(&report, what);
}

#[test]
fn each_start_is_an_epoch_whether_or_not_the_one_before_could_end() {
    let report = judge(&[started(1), started(2), stopped(2), started(3)]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.acked, report.found), (4, 4));
}

#[test]
fn executors_count_apart() {
    let mut other = started(1);
    other.id = made(WEB, 9).to_string();
    other.data["id"] = json!(other.id);
    other.command = Uuid::from_u128(2000);
    let report = judge(&[started(1), other, started(2)]);
    assert!(report.is_clean(), "{report}");
}

#[test]
fn an_epoch_that_does_not_follow_is_noticed() {
    noticed(&[started(2)], "begins epoch 2 after epoch 0");
    noticed(&[started(1), started(3)], "begins epoch 3 after epoch 1");
    let mut again = started(1);
    again.command = Uuid::from_u128(2000);
    noticed(&[started(1), again], "begins epoch 1 after epoch 1");
}

#[test]
fn an_end_of_another_epoch_is_noticed() {
    noticed(&[stopped(1)], "ends epoch 1 where epoch 0 is over");
    let stale = [started(1), started(2), stopped(1)];
    noticed(&stale, "ends epoch 1 where epoch 2 runs");
    let mut again = stopped(1);
    again.command = Uuid::from_u128(2000);
    let twice = [started(1), stopped(1), again];
    noticed(&twice, "ends epoch 1 where epoch 1 is over");
}

#[test]
fn more_epochs_than_starts_are_noticed() {
    let events: Vec<_> = (1..=4).map(started).collect();
    noticed(&events, "has 4 epochs of 3 start(s)");
}

#[test]
fn what_no_executor_says_is_noticed() {
    let mut paused = stopped(1);
    paused.name = "paused";
    noticed(&[started(1), paused], "is not expected at all");
    let mut silent = stopped(1);
    silent.data = json!({});
    noticed(&[started(1), silent], "has no epoch");
    let mut another = started(1);
    another.data["id"] = json!(WEB);
    noticed(&[another], &format!("is about \"{WEB}\""));
}

#[test]
fn an_executor_that_somebody_else_speaks_for_is_noticed() {
    let mut record = good();
    record.log = store(&[drafts(), vec![started(1)]].concat());
    assert!(check(&record).is_clean());
    let last = record.log.last_mut().unwrap();
    assert_eq!(last.at, BEGAN);
    last.payload = last.payload.replace("\"platform\"", "\"user:x\"");
    says(&check(&record), "which nobody sent");
}

/// Nobody uses a service or pushes data in a run.
#[test]
fn jobs_and_what_belongs_to_them_are_noticed() {
    let web = made(WEB, 0);
    for (kind, id, name) in [
        ("service", web, "revised"),
        ("service", web, "activated"),
        ("service", web, "switched"),
        ("service", web, "job_ended"),
        ("data", made(WEB, 1), "pushed"),
        ("job", EXECUTOR, "submitted"),
        ("job", EXECUTOR, "started"),
    ] {
        let event = draft(kind, id, name, Uuid::from_u128(2000), json!({}));
        noticed(&[started(1), event], "is not expected at all");
    }
}
