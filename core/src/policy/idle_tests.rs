use super::*;
use crate::aggregate::testing::fold;
use crate::digest::Digest;
use crate::service::{
    Activated, Configured, Event, Queue, Quiet, ServiceAggregate, Stopped, Switched, Terms, created,
};
use proptest::prelude::*;
use uuid::Uuid;

const USUAL: Duration = Duration::from_secs(100);
const JOB: JobId = JobId(Uuid::from_u128(7));

fn at(seconds: f64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::seconds_f64(1_000_000.0 + seconds)
}

fn activated() -> Event {
    Event::Activated(Activated {
        job: JOB,
        run: 0,
        revision: 1,
        key: Digest::of(b"a"),
        worker: None,
        by_itself: false,
        replica: false,
    })
}

/// Quiet from second 0 on, with one job.
fn service(further: &[Event]) -> Service {
    let mut given = vec![
        created(),
        activated(),
        Event::Quiet(Quiet { since: at(0.0) }),
    ];
    given.extend(further.iter().cloned());
    fold::<ServiceAggregate>(&given).unwrap()
}

fn standing(phase: Phase, frozen: Option<f64>) -> Standing {
    Standing {
        job: JOB,
        run: 0,
        phase,
        ready: phase == Phase::Running,
        frozen: frozen.map(at),
    }
}

fn plan(service: &Service, standing: Standing, now: f64) -> IdlePlan {
    on_idle(service, &[standing], USUAL, at(now))
}

fn later(seconds: f64) -> IdlePlan {
    IdlePlan {
        intents: vec![],
        look_again: Some(at(seconds)),
    }
}

fn now(intent: IdleIntent) -> IdlePlan {
    IdlePlan {
        intents: vec![intent],
        look_again: None,
    }
}

const FREEZE: IdleIntent = IdleIntent::Freeze { job: JOB, run: 0 };
const STOP: IdleIntent = IdleIntent::Stop { job: JOB, run: 0 };

#[test]
fn it_is_frozen_after_half_of_the_time_and_stopped_after_all_of_it() {
    let service = service(&[]);
    let running = standing(Phase::Running, None);
    assert_eq!(plan(&service, running, 10.0), later(50.0));
    assert_eq!(plan(&service, running, 50.0), now(FREEZE));
    let frozen = standing(Phase::Running, Some(50.0));
    assert_eq!(plan(&service, frozen, 50.1), later(100.0));
    assert_eq!(plan(&service, frozen, 100.0), now(STOP));
}

/// After a start that comes late, whoever is on his way to it meets it frozen first.
#[test]
fn nothing_ends_that_was_not_held_still_before() {
    let service = service(&[]);
    let running = standing(Phase::Running, None);
    assert_eq!(plan(&service, running, 500.0), now(FREEZE));
    let frozen = standing(Phase::Running, Some(500.0));
    assert_eq!(plan(&service, frozen, 500.1), later(500.5));
    assert_eq!(plan(&service, frozen, 500.5), now(STOP));
}

#[test]
fn what_has_not_begun_to_answer_gets_all_of_its_time() {
    let service = service(&[]);
    let queued = standing(Phase::Queued, None);
    assert_eq!(plan(&service, queued, 60.0), later(100.0));
    assert_eq!(plan(&service, queued, 100.0), now(STOP));
    let starts = Standing {
        ready: false,
        ..standing(Phase::Running, None)
    };
    assert_eq!(plan(&service, starts, 60.0), later(100.0));
    assert_eq!(plan(&service, starts, 100.0), now(FREEZE));
}

/// To end it would say that its revision failed.
#[test]
fn what_is_to_take_the_place_of_another_one_is_left_alone() {
    let serving = JobId(Uuid::from_u128(8));
    let served = Activated {
        job: serving,
        run: 0,
        revision: 1,
        key: Digest::of(b"b"),
        worker: None,
        by_itself: false,
        replica: false,
    };
    let switched = |job| {
        Event::Switched(Switched {
            job,
            run: 0,
            revision: None,
            drain_ms: Some(5),
        })
    };
    let mut given = vec![
        created(),
        Event::Activated(served),
        switched(serving),
        activated(),
        Event::Quiet(Quiet { since: at(0.0) }),
    ];
    let rolls = fold::<ServiceAggregate>(&given).unwrap();
    let running = standing(Phase::Running, None);
    assert_eq!(plan(&rolls, running, 500.0), IdlePlan::default());
    let old = Standing {
        job: serving,
        ..running
    };
    let freeze = IdleIntent::Freeze {
        job: serving,
        run: 0,
    };
    assert_eq!(plan(&rolls, old, 500.0), now(freeze));
    given.push(switched(JOB));
    let rolled = fold::<ServiceAggregate>(&given).unwrap();
    assert_eq!(plan(&rolled, running, 500.0), now(FREEZE));
    assert_eq!(plan(&rolled, old, 500.0), IdlePlan::default());
}

#[test]
fn what_is_ending_or_of_another_run_is_left_alone() {
    let service = service(&[]);
    let ending = standing(Phase::Cancelling, None);
    assert_eq!(plan(&service, ending, 500.0), IdlePlan::default());
    let other = Standing {
        run: 1,
        ..standing(Phase::Running, None)
    };
    assert_eq!(plan(&service, other, 500.0), IdlePlan::default());
}

#[test]
fn a_service_has_a_time_of_its_own() {
    let terms = |idle_timeout_ms, min_ready| {
        let terms = Terms {
            idle_timeout_ms,
            min_ready,
            ..Terms::default()
        };
        service(&[Event::Configured(Configured { terms })])
    };
    let running = standing(Phase::Running, None);
    assert_eq!(plan(&terms(Some(10_000), 0), running, 1.0), later(5.0));
    let warm = terms(None, 1);
    assert_eq!(plan(&warm, running, 500.0), IdlePlan::default());
}

#[test]
fn what_is_asked_for_or_off_or_a_queue_is_left_alone() {
    let running = standing(Phase::Running, None);
    let busy = service(&[Event::Busy(crate::service::Busy {})]);
    let off = service(&[Event::Stopped(Stopped::default())]);
    let mut queue = service(&[]);
    queue.queue = Some(Queue::of(1));
    for service in [busy, off, queue] {
        assert_eq!(plan(&service, running, 500.0), IdlePlan::default());
    }
}

proptest! {
    /// Looked at whenever it asks to be, a run that nobody asks for is frozen and then stopped on time, whenever one
    /// looks in between; one that is always looked at late loses no more than what it was late by.
    #[test]
    fn it_ends_on_time(looks in prop::collection::vec(0.0..150.0_f64, 0..20), late in 0.0..3.0_f64) {
        let service = service(&[]);
        let mut looks = looks;
        looks.sort_by(f64::total_cmp);
        let (mut run, mut clock, mut frozen_at) = (standing(Phase::Running, None), 0.0, None);
        loop {
            let planned = plan(&service, run, clock);
            match planned.intents.first() {
                Some(IdleIntent::Freeze { .. }) => {
                    frozen_at = Some(clock);
                    run.frozen = Some(at(clock));
                    continue;
                }
                Some(IdleIntent::Stop { .. }) => break,
                None => {}
            }
            let due = planned.look_again.expect("it is looked at again");
            let due = (due - at(0.0)).as_seconds_f64() + late;
            looks.retain(|look| *look > clock);
            clock = looks.first().copied().unwrap_or(due).min(due).max(clock + 0.001);
        }
        let frozen_at = frozen_at.unwrap();
        prop_assert!((50.0..=50.0 + late + 0.01).contains(&frozen_at), "{}", frozen_at);
        prop_assert!((100.0..=100.0 + late + 0.01).contains(&clock), "{}", clock);
    }
}
