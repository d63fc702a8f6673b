use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::aggregate::testing::{fold, when};
use crate::ids::{JobId, ServiceId, TaskId};
use crate::service::Resource;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn submitted(retries: u32) -> Submitted {
    Submitted {
        id: TaskId(Uuid::from_u128(1)),
        service: Resource {
            id: ServiceId(Uuid::from_u128(2)),
            full_name: "snow.testacc.q".parse().unwrap(),
        },
        batch: None,
        name: "service-workplan".into(),
        worker: None,
        worker_idx: None,
        priority: 0,
        not_before: None,
        retries,
        backoff: Backoff::default(),
        timeout_ms: None,
        key: None,
        payload: Content::Inline(Json::parse("{}").unwrap()),
    }
}

fn given(retries: u32) -> Event {
    Event::Submitted(Box::new(submitted(retries)))
}

fn claim() -> Claim {
    Claim {
        worker: "q:0".into(),
        worker_idx: 0,
        incarnation: "0".repeat(32),
        job: JobId(Uuid::from_u128(3)),
        claimed_at: NOW,
    }
}

fn done(attempt: u32) -> Done {
    Done {
        attempt,
        claim: claim(),
        finished_at: NOW,
        runtime_us: 7,
        result: Content::Inline(Json::parse("1").unwrap()),
        logs: None,
    }
}

fn failure(attempt: u32) -> Failure {
    Failure {
        attempt,
        claim: claim(),
        finished_at: NOW,
        runtime_us: 7,
        error: "no".into(),
        traceback: None,
        recovery: None,
        logs: None,
    }
}

fn again(attempt: u32) -> Event {
    Event::AttemptFailed(AttemptFailed {
        failure: failure(attempt),
        retry_at: NOW,
    })
}

fn last(attempt: u32, dead: bool) -> Event {
    Event::Failed(Failed {
        failure: failure(attempt),
        dead,
    })
}

fn code(result: Result<Vec<Event>, Refusal>) -> &'static str {
    result.unwrap_err().code
}

fn decided(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<TaskAggregate>(given, command)
}

/// What the failure of an attempt leads to.
fn fails(given: &[Event], attempt: u32) -> Vec<Event> {
    let task = fold::<TaskAggregate>(given).unwrap();
    decided(given, &failed(&task, failure(attempt), NOW, 0.0)).unwrap()
}

#[test]
fn a_task_is_done_once() {
    let given = [given(3)];
    let finish = Command::Finish(done(1));
    assert_eq!(decided(&given, &finish), Ok(vec![Event::Done(done(1))]));
    let ended = [given[0].clone(), Event::Done(done(1))];
    for late in [
        Command::Finish(done(1)),
        Command::Finish(done(2)),
        Command::Fail(failure(2)),
        Command::FailAttempt(AttemptFailed {
            failure: failure(2),
            retry_at: NOW,
        }),
    ] {
        assert_eq!(code(decided(&ended, &late)), "attempt-over", "{late:?}");
    }
    for late in [Command::Cancel, Command::Requeue] {
        assert_eq!(code(decided(&ended, &late)), "already-ended");
    }
    assert_eq!(code(decided(&[], &finish)), "not-found");
}

#[test]
fn an_attempt_that_is_over_has_no_outcome_any_more() {
    let given = [given(3), again(1)];
    assert_eq!(
        code(decided(&given, &Command::Finish(done(1)))),
        "attempt-over"
    );
    assert_eq!(
        code(decided(&given, &Command::Finish(done(3)))),
        "attempt-over"
    );
    assert!(decided(&given, &Command::Finish(done(2))).is_ok());
}

#[test]
fn what_fails_is_tried_again_as_often_as_was_asked() {
    let mut history = vec![given(2)];
    for attempt in 1..=3 {
        let events = fails(&history, attempt);
        let name = crate::aggregate::Event::name(&events[0]);
        assert_eq!(
            name,
            if attempt < 3 {
                "attempt_failed"
            } else {
                "failed"
            }
        );
        history.extend(events);
    }
    assert_eq!(history[3], last(3, true), "it is a dead letter");
    // Planned on an older state, neither goes through.
    assert_eq!(
        code(decided(&history[..1], &Command::Fail(failure(1)))),
        "stale"
    );
    let more = Command::FailAttempt(AttemptFailed {
        failure: failure(3),
        retry_at: NOW,
    });
    assert_eq!(code(decided(&history[..3], &more)), "stale");
}

#[test]
fn without_retries_it_fails_and_is_no_dead_letter() {
    assert_eq!(fails(&[given(0)], 1), vec![last(1, false)]);
}

#[test]
fn a_dead_letter_that_is_requeued_has_all_its_retries_again() {
    let mut history = vec![given(1), again(1), last(2, true)];
    let requeued = decided(&history, &Command::Requeue).unwrap();
    assert_eq!(requeued, vec![Event::Requeued(Requeued { attempts: 2 })]);
    history.extend(requeued);
    assert_eq!(decided(&history, &Command::Requeue), Ok(vec![]));
    assert_eq!(fails(&history, 3), vec![again_at(3, 1000)]);
    history.push(again(3));
    assert_eq!(fails(&history, 4), vec![last(4, true)]);
}

fn again_at(attempt: u32, milliseconds: i64) -> Event {
    Event::AttemptFailed(AttemptFailed {
        failure: failure(attempt),
        retry_at: NOW + time::Duration::milliseconds(milliseconds),
    })
}

#[test]
fn what_a_worker_says_of_a_cancelled_task_is_too_late_even_after_it_is_requeued() {
    let mut history = vec![given(1), Event::Cancelled(Cancelled {})];
    assert_eq!(
        decided(&history[..1], &Command::Cancel),
        Ok(vec![history[1].clone()])
    );
    assert_eq!(decided(&history, &Command::Cancel), Ok(vec![]));
    let late = Command::Finish(done(1));
    assert_eq!(code(decided(&history, &late)), "attempt-over");
    history.extend(decided(&history, &Command::Requeue).unwrap());
    assert_eq!(code(decided(&history, &late)), "attempt-over");
    assert!(decided(&history, &Command::Finish(done(2))).is_ok());
}

#[test]
fn a_key_finds_its_task_and_no_other() {
    let keyed = Submitted {
        key: Some("order-7".into()),
        ..submitted(3)
    };
    let given = [Event::Submitted(Box::new(keyed.clone()))];
    let submit = |submitted: Submitted| Command::Submit(Box::new(submitted));
    assert_eq!(decided(&given, &submit(keyed.clone())), Ok(vec![]));
    let other = Submitted {
        payload: Content::Inline(Json::parse("[]").unwrap()),
        ..keyed
    };
    assert_eq!(code(decided(&given, &submit(other))), "key-reused");
    assert_eq!(code(decided(&given, &submit(submitted(3)))), "conflict");
}

#[test]
fn a_task_is_pinned_by_index_or_by_name() {
    let pin = |worker: &str, worker_idx| {
        let worker = Some(worker.to_owned());
        let pinned = Submitted {
            worker,
            worker_idx,
            ..submitted(3)
        };
        pinned.pin()
    };
    assert_eq!(pin("q:2", None), Some(2));
    assert_eq!(pin("q:2", Some(1)), Some(1));
    for other in ["", "p:2", "q", "q:", "q:x", "127.0.0.1:9000"] {
        assert_eq!(pin(other, None), None, "{other}");
    }
}

#[test]
fn waits_double_up_to_the_longest_and_jitter_shortens_them() {
    let backoff = Backoff {
        first_ms: 1000,
        most_ms: 5000,
    };
    let wait = |failures, jitter| backoff.wait(failures, jitter).whole_milliseconds();
    let waits: Vec<_> = (1..=5).map(|failures| wait(failures, 0.0)).collect();
    assert_eq!(waits, [1000, 2000, 4000, 5000, 5000]);
    assert_eq!(wait(2, 1.0), 1000);
    assert_eq!(wait(u32::MAX, 0.0), 5000);
}
