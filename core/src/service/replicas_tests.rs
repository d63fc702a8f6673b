use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::aggregate::Aggregate as _;
use crate::aggregate::testing::{fold, when};
use crate::job::{Outcome, configuration};
use crate::service::tests::created;
use crate::service::{
    Change, Command, Configured, Draining, JobEnded, Queue, Revised, ServiceAggregate, Stopped,
    Terms,
};

fn id(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn revised(content: &str, revision: u32) -> Event {
    let configuration = configuration(content, u64::from(revision));
    Event::Revised(Revised {
        revision,
        key: configuration.key(),
        configuration: Box::new(configuration),
    })
}

fn run(content: &str, revision: u32, job: u128, replica: bool) -> Activated {
    Activated {
        job: id(job),
        run: 0,
        revision,
        key: configuration(content, 1).key(),
        worker: None,
        by_itself: replica,
        replica,
    }
}

fn activated(content: &str, revision: u32, job: u128, replica: bool) -> Event {
    Event::Activated(run(content, revision, job, replica))
}

fn switched(job: u128, revision: Option<u32>) -> Switched {
    Switched {
        job: id(job),
        run: 0,
        revision,
        drain_ms: Some(5),
    }
}

fn joined(job: u128, revision: u32) -> Event {
    Event::Joined(Joined {
        job: id(job),
        run: 0,
        revision,
    })
}

fn ended(job: u128) -> JobEnded {
    JobEnded {
        job: id(job),
        run: 0,
        state: Outcome::Interrupted,
        failed_revision: None,
        ending: None,
    }
}

fn join(job: u128) -> Command {
    let (job, run) = (id(job), 0);
    Command::Join { job, run }
}

fn drain(job: u128) -> Draining {
    Draining {
        job: id(job),
        run: 0,
        drain_ms: 5,
    }
}

fn many(min: u32, max: u32) -> Event {
    Event::Configured(Configured {
        terms: Terms {
            replicas: Replicas {
                min,
                max,
                concurrency: 2,
            },
            ..Terms::default()
        },
    })
}

/// One serves of at least two and at most three.
fn serving() -> Vec<Event> {
    vec![
        created(),
        many(2, 3),
        revised("a", 1),
        activated("a", 1, 10, false),
        Event::Switched(switched(10, Some(1))),
    ]
}

/// And another one beside it.
fn both() -> Vec<Event> {
    let mut events = serving();
    events.extend([activated("a", 1, 11, true), joined(11, 1)]);
    events
}

fn with(mut events: Vec<Event>, more: impl IntoIterator<Item = Event>) -> Vec<Event> {
    events.extend(more);
    events
}

#[track_caller]
fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<ServiceAggregate>(given, command)
}

fn state(events: &[Event]) -> Service {
    fold::<ServiceAggregate>(events).unwrap()
}

#[test]
fn as_many_are_started_as_are_wanted_and_not_one_more() {
    let grow = |job| Command::Activate(run("a", 1, job, true));
    let started = vec![activated("a", 1, 11, true)];
    assert_eq!(decide(&serving(), &grow(11)), Ok(started));
    let refused = decide(&both(), &grow(12)).unwrap_err();
    assert_eq!(refused.kind, Refusal::stale("").kind, "two are wanted");
    let resize = Command::Resize(Resized {
        replicas: 9,
        in_flight: 30,
    });
    let asked = Event::Resized(Resized {
        replicas: 3,
        in_flight: 30,
    });
    assert_eq!(decide(&both(), &resize), Ok(vec![asked.clone()]));
    let asked = with(both(), [asked]);
    assert_eq!(decide(&asked, &resize), Ok(vec![]), "three it may have");
    assert!(decide(&asked, &grow(12)).is_ok());
}

#[test]
fn nothing_grows_beside_what_is_not_what_requests_lead_to() {
    let updated = with(serving(), [revised("b", 2)]);
    let grow = Command::Activate(run("b", 2, 11, true));
    assert!(decide(&updated, &grow).is_err());
    let off = with(serving(), [Event::Stopped(Stopped::default())]);
    let grow = Command::Activate(run("a", 1, 11, true));
    assert!(decide(&off, &grow).is_err());
}

#[test]
fn one_that_answers_joins_and_nobody_leaves_for_it() {
    let started = with(serving(), [activated("a", 1, 11, true)]);
    let switch = Command::Switch(switched(11, None));
    assert_eq!(decide(&started, &switch), Ok(vec![]));
    assert_eq!(decide(&started, &join(11)), Ok(vec![joined(11, 1)]));
    assert_eq!(decide(&started, &join(10)), Ok(vec![]), "it serves");
    let both = both();
    assert_eq!(decide(&both, &join(11)), Ok(vec![]));
    let state = state(&both);
    assert!(state.rollout.leaving.is_empty() && state.rollout.rolling.is_none());
    assert!(state.live.iter().all(|run| state.takes_requests(run)));
}

#[test]
fn the_other_takes_the_place_of_one_that_ends() {
    let alone = with(both(), [Event::JobEnded(ended(10))]);
    let state = state(&alone);
    assert!(state.serves(&run("a", 1, 11, true)) && state.fleet.joined.is_empty());
    assert!(state.is_settled());
    // The next one comes beside it.
    let grow = Command::Activate(Activated {
        run: 1,
        ..run("a", 1, 10, true)
    });
    assert!(
        decide(&alone, &grow).is_ok(),
        "the job that ended runs again"
    );
}

#[test]
fn where_all_that_answered_ended_those_that_start_serve_together() {
    let starting = with(
        serving(),
        [
            activated("a", 1, 11, true),
            many(3, 3),
            activated("a", 1, 12, true),
            Event::JobEnded(ended(10)),
        ],
    );
    let switch = Command::Switch(switched(12, None));
    assert_eq!(decide(&starting, &switch), Ok(vec![]));
    assert_eq!(decide(&starting, &join(12)), Ok(vec![joined(12, 1)]));
    let first = with(starting, [joined(12, 1)]);
    assert!(state(&first).serves(&run("a", 1, 12, true)));
    assert_eq!(decide(&first, &join(11)), Ok(vec![joined(11, 1)]));
}

#[test]
fn one_that_is_one_too_many_leaves_and_never_the_one_that_serves() {
    let drain_of = |job| Command::Drain(drain(job));
    assert_eq!(decide(&both(), &drain_of(11)), Ok(vec![]), "two are wanted");
    let fewer = with(both(), [many(1, 1)]);
    assert_eq!(decide(&fewer, &drain_of(10)), Ok(vec![]));
    let left = vec![Event::Draining(drain(11))];
    assert_eq!(decide(&fewer, &drain_of(11)), Ok(left.clone()));
    let state = state(&with(fewer, left));
    assert!(state.serves(&run("a", 1, 10, false)) && state.fleet.joined.is_empty());
    assert!(state.leaving(id(11), 0).is_some());
}

#[test]
fn all_of_them_leave_for_another_revision() {
    let updated = with(both(), [revised("b", 2), activated("b", 2, 20, false)]);
    let old = state(&updated);
    assert!(
        old.takes_requests(&run("a", 1, 11, true)),
        "until the new one answers"
    );
    let switch = Command::Switch(switched(20, None));
    let moved = decide(&updated, &switch).unwrap();
    assert_eq!(moved, [Event::Switched(switched(20, Some(2)))]);
    let now = state(&with(updated, moved));
    assert!(now.fleet.joined.is_empty());
    let leaving: Vec<_> = now.rollout.leaving.iter().map(|run| run.job).collect();
    assert_eq!(leaving, [id(10), id(11)]);
}

#[test]
fn one_that_does_not_start_is_no_fault_of_the_revision() {
    let started = with(serving(), [activated("a", 1, 11, true)]);
    let end = Command::EndJob(JobEnded {
        state: Outcome::Failed,
        ..ended(11)
    });
    let decided = decide(&started, &end);
    let Ok([Event::JobEnded(ended)]) = decided.as_deref() else {
        panic!("it ended");
    };
    assert_eq!(ended.failed_revision, None);
}

#[test]
fn a_stop_ends_them_all() {
    let state = state(&with(both(), [Event::Stopped(Stopped::default())]));
    assert_eq!(state.fleet, Fleet::default());
    assert_eq!(state.ending.len(), 2);
}

#[test]
fn what_no_service_can_have_is_refused_and_changes_nothing() {
    let change = |replicas, concurrency| {
        Command::Configure(Change {
            replicas,
            concurrency,
            ..Change::default()
        })
    };
    for bad in [
        change(Some((0, 0)), None),
        change(Some((4, 2)), None),
        change(Some((1, MAX_REPLICAS + 1)), None),
        change(None, Some(0)),
        change(None, Some(MAX_CONCURRENCY + 1)),
    ] {
        assert_eq!(
            decide(&[created()], &bad).unwrap_err().code,
            "bad-terms",
            "{bad:?}"
        );
    }
    let Event::Created(mut payload) = created() else {
        unreachable!()
    };
    payload.queue = Some(Queue::of(1));
    let queue = [Event::Created(payload)];
    let refused = decide(&queue, &change(Some((1, 2)), None)).unwrap_err();
    assert!(refused.message.contains("workers"), "{}", refused.message);
    let four = change(Some((0, 4)), Some(1));
    assert!(decide(&[created()], &four).is_ok());
    let same = change(Some((1, 1)), Some(CONCURRENCY));
    assert_eq!(decide(&[created()], &same), Ok(vec![]), "that is as usual");
}

#[test]
fn nothing_is_written_of_one_replica() {
    let terms = serde_json::to_value(Terms::default()).unwrap();
    assert_eq!(terms, serde_json::json!({}));
}

/// What may happen to a service with replicas, by job.
fn command(kind: u8, job: u128) -> Command {
    match kind {
        0 => Command::Activate(run("a", 1, job, true)),
        1 => Command::Activate(run("a", 1, job, false)),
        2 => Command::Switch(switched(job, None)),
        3 => join(job),
        4 => Command::Drain(drain(job)),
        5 => Command::EndJob(ended(job)),
        6 => Command::Stop,
        7 => Command::Start,
        8 => Command::Restart { after: 1 },
        _ => Command::Resize(Resized {
            replicas: u32::try_from(job % 5).unwrap(),
            in_flight: 1,
        }),
    }
}

proptest! {
    #[test]
    fn whatever_happens_those_that_take_requests_are_alive_and_stay(
        kinds in prop::collection::vec((0..10_u8, 10..16_u128), 0..60),
    ) {
        let mut state = fold::<ServiceAggregate>(&serving());
        for (kind, job) in kinds {
            let decided = ServiceAggregate::decide(&state, &command(kind, job));
            for event in decided.unwrap_or_default() {
                let grew = matches!(&event, Event::Activated(run) if run.replica);
                state = ServiceAggregate::evolve(state, &event);
                let now = state.as_ref().unwrap();
                let most = now.terms.replicas.max as usize;
                prop_assert!(!grew || now.replicas().count() <= most);
                for joined in &now.fleet.joined {
                    let run = now.live.iter().find(|run| joined.is(run.job, run.run));
                    prop_assert!(run.is_some_and(|run| !now.serves(run)));
                    prop_assert!(now.leaving(joined.job, joined.run).is_none());
                    prop_assert!(now.serving.is_some());
                }
            }
        }
    }
}
