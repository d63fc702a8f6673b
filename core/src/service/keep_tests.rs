use super::*;
use crate::aggregate::testing::{fold, when};
use crate::ids::JobId;
use crate::service::{
    Activated, Command, Created, Queue, ServiceAggregate, Started, Status, Stopped, created,
};
use uuid::Uuid;

const USUAL: Duration = Duration::from_hours(1);

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_000_000 + seconds).unwrap()
}

fn quiet(seconds: i64) -> Event {
    Event::Quiet(Quiet { since: at(seconds) })
}

fn busy() -> Event {
    Event::Busy(Busy {})
}

fn activated(by_itself: bool) -> Event {
    Event::Activated(Activated {
        job: JobId(Uuid::from_u128(7)),
        run: 0,
        revision: 1,
        key: crate::digest::Digest::of(b"a"),
        worker: None,
        by_itself,
        replica: false,
    })
}

fn state(given: &[Event]) -> Service {
    fold::<ServiceAggregate>(given).unwrap()
}

#[track_caller]
fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<ServiceAggregate>(given, command)
}

fn say_quiet(given: &[Event], seconds: i64) -> Vec<Event> {
    decide(given, &Command::Quiet(Quiet { since: at(seconds) })).unwrap()
}

fn configured(idle_timeout_ms: Option<u64>, min_ready: u32) -> Event {
    Event::Configured(Configured {
        terms: Terms {
            idle_timeout_ms,
            min_ready,
            ..Terms::default()
        },
    })
}

fn configure(idle_timeout_ms: Option<u64>, min_ready: Option<u32>) -> Command {
    Command::Configure(Change {
        idle_timeout_ms,
        min_ready,
        ..Change::default()
    })
}

fn with_queue() -> Event {
    let Event::Created(payload) = created() else {
        unreachable!()
    };
    Event::Created(Created {
        status: Status::Off,
        queue: Some(Queue::of(1)),
        ..payload
    })
}

#[test]
fn it_is_told_once_that_nobody_asks_and_that_somebody_does() {
    let given = [created(), activated(false)];
    assert_eq!(state(&given).traffic, Traffic::Busy);
    assert_eq!(decide(&given, &Command::Busy), Ok(vec![]), "that is known");
    assert_eq!(say_quiet(&given, 5), [quiet(5)]);
    let given = [created(), activated(false), quiet(5)];
    assert_eq!(say_quiet(&given, 5), []);
    assert_eq!(say_quiet(&given, 4), [], "older news are none");
    assert_eq!(say_quiet(&given, 6), [quiet(6)]);
    assert_eq!(decide(&given, &Command::Busy), Ok(vec![busy()]));
}

#[test]
fn who_asks_stirs_the_service_and_the_platform_itself_does_not() {
    let after = |event: Event| state(&[created(), quiet(5), event]).traffic;
    assert_eq!(after(activated(false)), Traffic::Busy);
    assert_eq!(after(activated(true)), Traffic::Quiet(at(5)));
    assert_eq!(after(Event::Started(Started {})), Traffic::Busy);
    assert_eq!(
        after(Event::Stopped(Stopped::default())),
        Traffic::Quiet(at(5))
    );
}

#[test]
fn it_is_wanted_until_its_time_is_over() {
    let wanted = |given: &[Event], seconds| state(given).is_wanted(USUAL, at(seconds));
    assert!(!wanted(&[created()], 0), "nobody ever asked");
    assert!(wanted(&[created(), busy()], 1_000_000));
    let given = [created(), quiet(0)];
    assert!(wanted(&given, 3599) && !wanted(&given, 3600));
    let given = [created(), configured(Some(10_000), 0), quiet(0)];
    assert!(wanted(&given, 9) && !wanted(&given, 10));
    let given = [created(), configured(None, 1), quiet(0)];
    assert!(wanted(&given, 1_000_000), "it is kept warm");
}

#[test]
fn what_is_not_named_of_its_terms_stays() {
    let both = [created(), configured(Some(2_000), 1)];
    let expected = Ok(vec![configured(Some(3_000), 1)]);
    assert_eq!(decide(&both, &configure(Some(3_000), None)), expected);
    let expected = Ok(vec![configured(Some(2_000), 0)]);
    assert_eq!(decide(&both, &configure(None, Some(0))), expected);
    let usual = Ok(vec![configured(None, 1)]);
    assert_eq!(decide(&both, &configure(Some(0), None)), usual);
    assert_eq!(decide(&both, &configure(Some(2_000), Some(1))), Ok(vec![]));
}

#[test]
fn terms_that_cannot_be_are_refused() {
    for command in [
        configure(Some(999), None),
        configure(Some(MAX_IDLE_TIMEOUT_MS + 1), None),
        configure(None, Some(2)),
    ] {
        let refused = decide(&[created()], &command).unwrap_err();
        assert_eq!(refused.code, "bad-terms", "{command:?}");
    }
}

#[test]
fn the_idle_timeout_of_a_queue_is_the_queues() {
    let given = [with_queue()];
    let command = configure(Some(500), None);
    assert_eq!(decide(&given, &command), Ok(vec![configured(Some(500), 0)]));
    let after = state(&[with_queue(), configured(Some(500), 0)]);
    assert_eq!(after.queue.unwrap().idle_timeout_ms, Some(500));
    let warm = decide(&given, &configure(None, Some(1)));
    assert_eq!(warm.unwrap_err().code, "bad-terms");
}

#[test]
fn what_was_kept_warm_and_never_asked_for_is_looked_at() {
    let given = [created(), configured(None, 1), configured(None, 0)];
    assert_eq!(state(&given).traffic, Traffic::Busy);
}

#[test]
fn silence_is_a_minute_or_a_small_part() {
    assert_eq!(silence(Duration::from_hours(24)), Duration::from_mins(1));
    assert_eq!(silence(Duration::from_secs(48)), Duration::from_secs(1));
}
