use super::super::tests::{cancel, run, service};
use super::*;
use crate::service::{Leaving, Rollout};
use uuid::Uuid;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-27 12:00 UTC);

fn drains() -> Drains {
    Drains {
        now: NOW,
        until: Vec::new(),
        no_room: false,
    }
}

fn rolled(service: &Service) -> Vec<Intent> {
    on_rollout(service, &drains()).intents
}

fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn leaving(number: u128, done: bool) -> Leaving {
    Leaving {
        job: job(number),
        run: 0,
        done,
    }
}

#[test]
fn a_new_revision_starts_beside_the_old_one_and_only_once() {
    let old = vec![run("a", 1)];
    let revised = service("b", old.clone(), Some(1), false);
    assert_eq!(rolled(&revised), [Intent::Activate]);
    let tried = service("b", old, Some(1), true);
    assert_eq!(rolled(&tried), [], "it failed, and the old one serves on");
}

#[test]
fn the_old_one_ends_when_it_is_done_with_its_requests() {
    let both = vec![run("a", 1), run("b", 2)];
    assert_eq!(rolled(&service("b", both.clone(), Some(1), true)), []);
    let of = |done| Service {
        rollout: Rollout {
            leaving: vec![leaving(1, done)],
            ..Rollout::default()
        },
        ..service("b", both.clone(), Some(2), true)
    };
    assert_eq!(rolled(&of(false)), []);
    assert_eq!(rolled(&of(true)), [cancel(1, "superseded")]);
}

#[test]
fn it_ends_at_last_though_nobody_said_that_it_is_done() {
    let both = vec![run("a", 1), run("b", 2)];
    let leaving = Service {
        rollout: Rollout {
            leaving: vec![leaving(1, false)],
            ..Rollout::default()
        },
        ..service("b", both, Some(2), true)
    };
    let at = |now| {
        let until = vec![(job(1), 0, NOW)];
        on_rollout(
            &leaving,
            &Drains {
                now,
                until,
                ..drains()
            },
        )
    };
    assert_eq!(at(NOW).look_again, Some(NOW + GRACE));
    assert_eq!(at(NOW).intents, []);
    assert_eq!(at(NOW + GRACE).intents, [cancel(1, "superseded")]);
}

#[test]
fn an_update_that_was_overtaken_ends_unfinished() {
    let all = vec![run("a", 1), run("b", 2)];
    let overtaken = service("c", all, Some(1), false);
    assert_eq!(
        rolled(&overtaken),
        [Intent::Activate, cancel(2, "superseded")]
    );
}

#[test]
fn one_that_was_overtaken_before_any_served_is_done_with_its_requests_first() {
    let drain = Intent::Drain {
        job: job(1),
        run: 0,
    };
    let overtaken = service("b", vec![run("a", 1)], None, false);
    assert_eq!(rolled(&overtaken), [Intent::Activate, drain.clone()]);
    let beside = service("b", vec![run("a", 1), run("b", 2)], None, true);
    assert_eq!(rolled(&beside), [drain]);
}

#[test]
fn a_revision_that_was_taken_back_ends_unfinished() {
    let both = vec![run("a", 1), run("b", 2)];
    let back = service("a", both, Some(1), true);
    assert_eq!(rolled(&back), [cancel(2, "superseded")]);
}

#[test]
fn where_there_is_no_room_the_old_one_leaves_first() {
    let both = vec![run("a", 1), run("b", 2)];
    let no_room = Drains {
        no_room: true,
        ..drains()
    };
    let waits = on_rollout(&service("b", both, Some(1), true), &no_room);
    let drain = Intent::Drain {
        job: job(1),
        run: 0,
    };
    assert_eq!(waits.intents, [drain]);
}

#[test]
fn nothing_starts_where_nothing_ran() {
    assert_eq!(rolled(&service("b", vec![], None, false)), []);
}

#[test]
fn nothing_moves_where_nothing_may_run() {
    let off = Service {
        status: Status::Off,
        ..service("b", vec![run("a", 1)], None, false)
    };
    assert_eq!(rolled(&off), []);
}
