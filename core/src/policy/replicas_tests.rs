use std::time::Duration;

use super::super::tests::{run, service};
use super::*;
use crate::service::{Ending, Failing, Fleet, Joined, Replicas, Terms};
use uuid::Uuid;

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-27 12:00 UTC);

fn id(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

/// Jobs 1 to `count`, of which the first serves and the others joined.
fn of(min: u32, max: u32, count: u128) -> Service {
    let joined = (2..=count).map(|job| Joined {
        job: id(job),
        run: 0,
        revision: 1,
    });
    Service {
        terms: Terms {
            replicas: Replicas {
                min,
                max,
                ..Replicas::default()
            },
            ..Terms::default()
        },
        fleet: Fleet {
            asked: None,
            joined: joined.collect(),
        },
        traffic: Traffic::Busy,
        ..service(
            "a",
            (1..=count).map(|job| run("a", job)).collect(),
            Some(1),
            true,
        )
    }
}

fn planned(service: &Service) -> Vec<ReplicaIntent> {
    on_replicas(service, &[], NOW).intents
}

fn shrink(job: u128) -> ReplicaIntent {
    ReplicaIntent::Shrink {
        job: id(job),
        run: 0,
    }
}

#[test]
fn there_are_as_many_as_are_wanted() {
    assert_eq!(planned(&of(1, 1, 1)), []);
    assert_eq!(planned(&of(3, 3, 2)), [ReplicaIntent::Grow]);
    assert_eq!(planned(&of(0, 4, 1)), []);
    assert_eq!(planned(&of(1, 4, 3)), [shrink(3), shrink(2)]);
    let asked = |asked| {
        let mut service = of(1, 4, 2);
        service.fleet.asked = Some(asked);
        planned(&service)
    };
    assert_eq!(asked(2), []);
    assert_eq!(asked(9), [ReplicaIntent::Grow]);
    assert_eq!(asked(1), [shrink(2)]);
}

#[test]
fn nothing_is_done_before_what_serves_is_what_is_wanted() {
    let revised = Service {
        tried: true,
        desired: service("b", vec![], None, true).desired,
        ..of(3, 3, 1)
    };
    assert_eq!(planned(&revised), [], "an update is under way");
    let first = Service {
        serving: None,
        ..of(3, 3, 1)
    };
    assert_eq!(planned(&first), [], "the first one does not answer yet");
    assert_eq!(planned(&of(3, 3, 0)), [], "nobody asks for it");
    let off = Service {
        status: Status::Off,
        ..of(3, 3, 1)
    };
    assert_eq!(planned(&off), []);
}

#[test]
fn nothing_grows_where_nobody_asks_unless_it_is_kept_warm() {
    let mut quiet = of(3, 3, 1);
    quiet.traffic = Traffic::Quiet(NOW);
    assert_eq!(planned(&quiet), []);
    quiet.terms.min_ready = 1;
    assert_eq!(planned(&quiet), [ReplicaIntent::Grow]);
}

#[test]
fn one_that_failed_is_replaced_after_its_pause() {
    let retry_on = NOW + Duration::from_secs(1);
    let failing = Service {
        failing: Some(Failing {
            failures: 1,
            last: Ending::new(NOW, false, "exit", "code 1"),
            retry_on,
        }),
        ..of(2, 2, 1)
    };
    let plan = on_replicas(&failing, &[], NOW);
    assert_eq!((plan.intents, plan.look_again), (vec![], Some(retry_on)));
    let plan = on_replicas(&failing, &[], retry_on);
    assert_eq!(plan.intents, [ReplicaIntent::Grow]);
}

#[test]
fn all_go_on_where_somebody_asks() {
    let still = [(id(2), 0), (id(3), 0), (id(9), 0)];
    let thaw = |job| ReplicaIntent::Thaw { job: id(job) };
    let busy = of(3, 3, 3);
    assert_eq!(on_replicas(&busy, &still, NOW).intents, [thaw(2), thaw(3)]);
    let quiet = Service {
        traffic: Traffic::Quiet(NOW),
        ..busy
    };
    assert_eq!(on_replicas(&quiet, &still, NOW).intents, []);
}
