use super::*;
use crate::aggregate::testing::{fold, when};
use crate::job::configuration;
use crate::service::{
    Activated, Activation, Command, Job, Revised, ServiceAggregate, Started, Terms, activate,
    created,
};
use uuid::Uuid;

fn job() -> JobId {
    JobId(Uuid::from_u128(7))
}

fn at(milliseconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(milliseconds)
}

fn activated(run: u32) -> Event {
    Event::Activated(Activated {
        job: job(),
        run,
        revision: 1,
        key: configuration("a", 1).key(),
        worker: None,
        by_itself: false,
        replica: false,
    })
}

fn revised(content: &str, revision: u32) -> Event {
    let configuration = configuration(content, 1);
    Event::Revised(Revised {
        revision,
        key: configuration.key(),
        configuration: Box::new(configuration),
    })
}

fn ended(run: u32, state: Outcome, steady: bool) -> Event {
    Event::JobEnded(JobEnded {
        job: job(),
        run,
        state,
        failed_revision: None,
        ending: Some(Ending::new(at(0), steady, "exit", "it broke")),
    })
}

/// A service whose job failed so often.
fn failed(times: u32) -> Vec<Event> {
    let mut given = vec![created(), revised("a", 1)];
    for run in 0..times {
        given.extend([activated(run), ended(run, Outcome::Failed, false)]);
    }
    given
}

fn failures(given: &[Event]) -> Option<u32> {
    let service = fold::<ServiceAggregate>(given).unwrap();
    service.failing.map(|failing| failing.failures)
}

fn ask(given: &[Event], now: OffsetDateTime) -> Result<Activated, Refusal> {
    let service = fold::<ServiceAggregate>(given).unwrap();
    let account = "snow.testacc".parse().unwrap();
    let job = Job {
        id: JobId(Uuid::from_u128(9)),
        account_id: crate::ids::AccountId(Uuid::from_u128(1)),
        user: None,
        by_itself: false,
        now,
    };
    activate(&account, &service, &job).map(|(run, _)| run)
}

fn gave_up(failures: u32) -> GaveUp {
    GaveUp {
        failures,
        reason: "exit".into(),
        message: "it broke".into(),
    }
}

#[test]
fn pauses_double_up_to_a_minute_and_a_little() {
    let pauses = |jitter| (0..10).map(move |failures| pause(failures, jitter).as_millis());
    let expected = [
        0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000,
    ];
    assert_eq!(pauses(0).collect::<Vec<_>>(), expected);
    for (least, most) in pauses(0).zip(pauses(JITTERS)) {
        assert_eq!(most, least + least / 4);
    }
    assert_eq!(pause(u32::MAX, 0), LONGEST_PAUSE);
}

#[test]
fn the_jitter_is_the_same_for_all_and_another_for_each_run() {
    assert_eq!(jitter(job(), 0), jitter(job(), 0));
    let all: std::collections::BTreeSet<_> = (0..50).map(|run| jitter(job(), run)).collect();
    assert!(all.len() > 40 && all.iter().all(|jitter| *jitter < JITTERS));
}

#[test]
fn failures_in_a_row_are_counted() {
    for times in 1..5 {
        assert_eq!(failures(&failed(times)), Some(times));
    }
    let after = |state, steady| {
        let mut given = failed(3);
        given.extend([activated(3), ended(3, state, steady)]);
        failures(&given)
    };
    assert_eq!(after(Outcome::Failed, false), Some(4));
    assert_eq!(after(Outcome::Failed, true), Some(0), "it had run for long");
    assert_eq!(
        after(Outcome::Interrupted, false),
        Some(3),
        "no fault of its"
    );
    assert_eq!(after(Outcome::Cancelled, false), None);
    assert_eq!(after(Outcome::Succeeded, false), None);
}

#[test]
fn what_is_kept_warm_is_not_to_end_at_all() {
    let Event::Created(made) = created() else {
        unreachable!()
    };
    let terms = Terms {
        min_ready: 1,
        ..Terms::default()
    };
    let given = [
        Event::Created(crate::service::Created { terms, ..made }),
        revised("a", 1),
        activated(0),
        ended(0, Outcome::Succeeded, false),
    ];
    assert_eq!(failures(&given), Some(1));
}

#[test]
fn who_asks_too_early_is_told_so() {
    let given = failed(3);
    let retry_on = fold::<ServiceAggregate>(&given)
        .unwrap()
        .failing
        .unwrap()
        .retry_on;
    assert!((at(2_000)..=at(2_500)).contains(&retry_on), "{retry_on}");
    assert_eq!(ask(&given, at(1_999)).unwrap_err().code, "backing-off");
    assert_eq!(ask(&given, retry_on).unwrap().run, 3, "the same job again");
}

#[test]
fn what_was_given_up_is_tried_again_only_when_something_changed() {
    let give_up = Command::GiveUp(gave_up(3));
    let mut given = failed(3);
    let decided = when::<ServiceAggregate>(&given, &give_up);
    assert_eq!(decided, Ok(vec![Event::GaveUp(gave_up(3))]));
    given.push(Event::GaveUp(gave_up(3)));
    let refused = ask(&given, at(1_000_000_000)).unwrap_err();
    assert_eq!(refused.code, "service-failed");
    assert!(refused.message.contains("it broke"), "{refused}");

    let started = when::<ServiceAggregate>(&given, &Command::Start);
    assert_eq!(started, Ok(vec![Event::Started(Started {})]));
    for mended in [Event::Started(Started {}), revised("b", 2)] {
        let mut given = given.clone();
        given.push(mended);
        assert!(ask(&given, at(0)).is_ok());
        assert_eq!(failures(&given), None);
    }
}

#[test]
fn what_moved_on_is_not_given_up() {
    let give_up = Command::GiveUp(gave_up(3));
    let mut alive = failed(3);
    alive.push(activated(3));
    for given in [failed(2), failed(4), alive] {
        let refused = when::<ServiceAggregate>(&given, &give_up).unwrap_err();
        assert!(refused.is_stale());
    }
}

#[test]
fn what_serves_is_joined_whatever_failed_before() {
    let mut given = failed(3);
    given.push(activated(3));
    let service = fold::<ServiceAggregate>(&given).unwrap();
    assert!(matches!(service.activation(job()), Ok(Activation::Join(_))));
    assert!(ask(&given, at(0)).is_ok());
}
