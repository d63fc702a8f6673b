use super::*;
use crate::aggregate::testing::fold;
use crate::ids::JobId;
use crate::job::{Outcome, configuration};
use crate::service::{
    Activated, Ending, Event, JobEnded, Quiet, Revised, ServiceAggregate, Stopped, Terms, created,
};
use uuid::Uuid;

const USUAL: Duration = Duration::from_secs(100);
const LIMIT: u32 = 3;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_000_000 + seconds).unwrap()
}

fn activated(run: u32) -> Event {
    Event::Activated(Activated {
        job: JobId(Uuid::from_u128(7)),
        run,
        revision: 1,
        key: configuration("a", 1).key(),
        worker: None,
        by_itself: false,
        replica: false,
    })
}

fn ended(run: u32, state: Outcome) -> Event {
    let ending = Ending::new(at(0), false, "exit", "it broke");
    Event::JobEnded(JobEnded {
        job: JobId(Uuid::from_u128(7)),
        run,
        state,
        failed_revision: None,
        ending: matches!(state, Outcome::Failed | Outcome::Succeeded).then_some(ending),
    })
}

fn failed(times: u32) -> Vec<Event> {
    let configuration = configuration("a", 1);
    let mut given = vec![
        created(),
        Event::Revised(Revised {
            revision: 1,
            key: configuration.key(),
            configuration: Box::new(configuration),
        }),
    ];
    for run in 0..times {
        given.extend([activated(run), ended(run, Outcome::Failed)]);
    }
    given
}

fn look(given: &[Event], seconds: i64) -> Recovery {
    let service = fold::<ServiceAggregate>(given).unwrap();
    on_failures(&service, USUAL, LIMIT, at(seconds))
}

fn warm() -> Event {
    let terms = Terms {
        idle_timeout_ms: None,
        min_ready: 1,
        ..Terms::default()
    };
    Event::Configured(crate::service::Configured { terms })
}

#[test]
fn what_failed_runs_again_after_its_pause() {
    let given = failed(2);
    let Recovery::Later(retry_on) = look(&given, 0) else {
        panic!("{:?}", look(&given, 0));
    };
    assert!(retry_on > at(0) && retry_on < at(2));
    assert_eq!(look(&given, 2), Recovery::Activate);
}

#[test]
fn what_nobody_asks_for_stays_as_it_is() {
    let mut given = failed(1);
    given.push(Event::Quiet(Quiet { since: at(0) }));
    assert_eq!(look(&given, 99), Recovery::Activate, "somebody just did");
    assert_eq!(look(&given, 100), Recovery::None);
    given.push(warm());
    assert_eq!(look(&given, 100), Recovery::Activate, "it is kept warm");
}

#[test]
fn what_failed_too_often_is_given_up() {
    let Recovery::GiveUp(gave_up) = look(&failed(LIMIT), 0) else {
        panic!("{:?}", look(&failed(LIMIT), 0));
    };
    assert_eq!((gave_up.failures, gave_up.told()), (LIMIT, "it broke"));
    let mut given = failed(LIMIT);
    given.push(Event::GaveUp(gave_up));
    assert_eq!(look(&given, 1_000), Recovery::None);
}

#[test]
fn what_has_a_job_or_is_off_needs_none() {
    let mut alive = failed(1);
    alive.push(activated(1));
    let mut off = failed(1);
    off.push(Event::Stopped(Stopped::default()));
    for given in [alive, off, vec![created()]] {
        assert_eq!(look(&given, 50), Recovery::None);
    }
}

#[test]
fn only_what_is_kept_warm_comes_back_however_it_ended() {
    for state in [Outcome::Succeeded, Outcome::Cancelled, Outcome::Interrupted] {
        let mut given = failed(0);
        given.extend([activated(0), ended(0, state)]);
        assert_eq!(look(&given, 50), Recovery::None, "{state}");
        let mut given = failed(0);
        given.extend([warm(), activated(0), ended(0, state)]);
        assert_eq!(look(&given, 50), Recovery::Activate, "{state}");
    }
    let mut given = failed(0);
    given.push(warm());
    assert_eq!(look(&given, 0), Recovery::Activate, "it never ran");
}
