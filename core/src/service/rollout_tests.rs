use super::*;
use crate::aggregate::testing::{fold, when};
use crate::job::configuration;
use crate::service::Started;
use crate::service::tests::created;
use crate::service::{Activation, Command, Ending, GaveUp, ServiceAggregate};
use uuid::Uuid;

fn job_id(number: u128) -> JobId {
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

fn run(content: &str, revision: u32, job: u128) -> Activated {
    Activated {
        job: job_id(job),
        run: 0,
        revision,
        key: configuration(content, 1).key(),
        worker: None,
        by_itself: false,
        replica: false,
    }
}

fn activated(content: &str, revision: u32, job: u128) -> Event {
    Event::Activated(run(content, revision, job))
}

fn switched(job: u128, revision: u32) -> Event {
    Event::Switched(Switched {
        job: job_id(job),
        run: 0,
        revision: Some(revision),
        drain_ms: Some(5),
    })
}

fn ended(job: u128, state: Outcome, failed_revision: Option<u32>) -> Event {
    Event::JobEnded(JobEnded {
        job: job_id(job),
        run: 0,
        state,
        failed_revision,
        ending: None,
    })
}

fn switch(job: u128) -> Command {
    Command::Switch(Switched {
        job: job_id(job),
        run: 0,
        revision: None,
        drain_ms: Some(5),
    })
}

/// `a` serves, and `b` starts beside it.
fn rolling() -> Vec<Event> {
    vec![
        created(),
        revised("a", 1),
        activated("a", 1, 10),
        switched(10, 1),
        revised("b", 2),
        activated("b", 2, 11),
    ]
}

fn end(job: u128, state: Outcome) -> Command {
    Command::EndJob(JobEnded {
        job: job_id(job),
        run: 0,
        state,
        failed_revision: None,
        ending: None,
    })
}

#[track_caller]
fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<ServiceAggregate>(given, command)
}

fn service(given: &[Event]) -> Service {
    fold::<ServiceAggregate>(given).unwrap()
}

#[test]
fn the_run_before_leaves_once_the_next_one_serves() {
    let mut given = rolling();
    assert_eq!(decide(&given, &switch(11)), Ok(vec![switched(11, 2)]));
    given.push(switched(11, 2));
    let leaving = |done| Leaving {
        job: job_id(10),
        run: 0,
        done,
    };
    assert_eq!(service(&given).rollout.leaving, [leaving(false)]);
    assert_eq!(decide(&given, &switch(10)), Ok(vec![]), "never back to it");
    let drained = Drained {
        job: job_id(10),
        run: 0,
        cut: 2,
    };
    let told = Command::Drained(drained.clone());
    assert_eq!(
        decide(&given, &told),
        Ok(vec![Event::Drained(drained.clone())])
    );
    given.push(Event::Drained(drained));
    assert_eq!(service(&given).rollout.leaving, [leaving(true)]);
    given.push(ended(10, Outcome::Cancelled, None));
    let service = service(&given);
    assert_eq!(service.rollout.leaving, []);
    assert_eq!(service.rollout.failed, None);
}

#[test]
fn one_that_never_answers_leaves_the_one_before_where_it_is() {
    for state in [Outcome::Failed, Outcome::Succeeded, Outcome::Cancelled] {
        let mut given = rolling();
        let failed = ended(11, state, Some(2));
        assert_eq!(decide(&given, &end(11, state)), Ok(vec![failed.clone()]));
        given.push(failed);
        let now = service(&given);
        assert_eq!(now.rollout.failed, Some(2));
        let target = now.target().map(|target| target.revision);
        assert_eq!(target, Some(1), "it is what requests lead to");
        assert!(now.serves(&run("a", 1, 10)));
        // Should it end itself, it is the one that comes back.
        given.push(ended(10, Outcome::Failed, None));
        let Ok(Activation::Retry(again)) = service(&given).activation(job_id(99)) else {
            panic!("{given:?}");
        };
        assert_eq!(again.job, job_id(10));
    }
}

#[test]
fn what_failed_is_tried_again_when_somebody_says_so() {
    let mut failed = rolling();
    failed.push(ended(11, Outcome::Failed, Some(2)));
    let again = [
        (Command::Start, Event::Started(Started {})),
        (
            Command::Restart { after: 2 },
            Event::Restarted(Restarted { revision: 3 }),
        ),
        (
            Command::Revise(Box::new(configuration("b", 3))),
            revised("b", 3),
        ),
        (
            Command::Revise(Box::new(configuration("c", 3))),
            revised("c", 3),
        ),
    ];
    for (command, event) in again {
        assert!(
            matches!(decide(&failed, &command), Ok(ref one) if one.len() == 1),
            "{command:?}"
        );
        let given: Vec<_> = failed.iter().cloned().chain([event]).collect();
        let service = service(&given);
        assert_eq!((service.rollout.failed, service.tried), (None, false));
        assert_ne!(service.target().map(|target| target.revision), Some(1));
    }
}

#[test]
fn what_was_taken_away_is_no_fault_of_the_revision() {
    let mut given = rolling();
    let interrupted = ended(11, Outcome::Interrupted, None);
    let decided = decide(&given, &end(11, Outcome::Interrupted));
    assert_eq!(decided, Ok(vec![interrupted.clone()]));
    given.push(interrupted);
    let service = service(&given);
    assert!(!service.tried, "it is tried again");
    assert_eq!(service.rollout.failed, None);
}

#[test]
fn a_newer_update_overtakes_one_under_way() {
    let mut given = rolling();
    given.push(revised("c", 3));
    assert_eq!(decide(&given, &switch(11)), Ok(vec![]), "it came too late");
    assert_eq!(
        decide(&given, &end(11, Outcome::Cancelled)),
        Ok(vec![ended(11, Outcome::Cancelled, None)]),
        "and nobody says that it failed"
    );
    // Back at what serves, there is nothing to be done.
    given.push(revised("a", 4));
    assert!(service(&given).is_current(&run("a", 1, 10)));
}

#[test]
fn a_restart_replaces_the_same_by_the_same() {
    let mut given = rolling();
    given.push(switched(11, 2));
    let restart = Command::Restart { after: 2 };
    let restarted = Event::Restarted(Restarted { revision: 3 });
    assert_eq!(decide(&given, &restart), Ok(vec![restarted.clone()]));
    given.push(restarted);
    let now = service(&given);
    assert!(!now.is_current(&run("b", 2, 11)) && now.serves(&run("b", 2, 11)));
    let Ok(Activation::New(beside)) = now.activation(job_id(12)) else {
        panic!("a run beside it");
    };
    assert_eq!((beside.revision, beside.key), (3, run("b", 2, 11).key));
    given.push(Event::Activated(beside));
    assert_eq!(decide(&given, &switch(12)), Ok(vec![switched(12, 3)]));
    // Where that fails, the one before serves on.
    given.push(ended(12, Outcome::Failed, Some(3)));
    assert!(service(&given).is_current(&run("b", 2, 11)));
}

#[test]
fn a_restart_is_for_what_runs() {
    let resting = [created(), revised("a", 1)];
    assert_eq!(decide(&resting, &Command::Restart { after: 1 }), Ok(vec![]));
    let off = [
        created(),
        revised("a", 1),
        Event::Stopped(super::super::Stopped::default()),
    ];
    let refused = decide(&off, &Command::Restart { after: 1 }).unwrap_err();
    assert_eq!(refused.code, "service-off");
}

#[test]
fn where_there_is_no_room_the_old_one_leaves_first() {
    let mut given = rolling();
    let draining = Draining {
        job: job_id(10),
        run: 0,
        drain_ms: 5,
    };
    let drain = Command::Drain(draining.clone());
    let decided = decide(&given, &drain);
    assert_eq!(decided, Ok(vec![Event::Draining(draining.clone())]));
    given.push(Event::Draining(draining));
    let now = service(&given);
    assert_eq!(now.serving, None);
    assert_eq!(
        now.activation(job_id(99)),
        Ok(Activation::Join(run("b", 2, 11)))
    );
    let new = Command::Drain(Draining {
        job: job_id(11),
        run: 0,
        drain_ms: 5,
    });
    assert_eq!(decide(&given, &new), Ok(vec![]), "nothing else leaves");
    // What was to come fails: the one before comes back.
    given.push(ended(10, Outcome::Cancelled, None));
    let failed = decide(&given, &end(11, Outcome::Failed)).unwrap();
    given.extend(failed);
    let Ok(Activation::Retry(back)) = service(&given).activation(job_id(99)) else {
        panic!("{given:?}");
    };
    assert_eq!(back.job, job_id(10));
}

#[test]
fn a_stop_leaves_nothing_to_be_moved() {
    let mut given = rolling();
    given.push(switched(11, 2));
    given.push(Event::Stopped(super::super::Stopped::default()));
    let service = service(&given);
    assert_eq!(
        (service.rollout.leaving, service.rollout.rolling),
        (vec![], None)
    );
    assert_eq!(service.ending.len(), 2);
}

/// How a run fails by itself, counted as a failure in a row.
fn broke(job: u128, run: u32, failed_revision: Option<u32>) -> Event {
    let at = time::OffsetDateTime::UNIX_EPOCH;
    Event::JobEnded(JobEnded {
        job: job_id(job),
        run,
        state: Outcome::Failed,
        failed_revision,
        ending: Some(Ending::new(at, false, "exit", "it broke")),
    })
}

/// `b` did not come to answer, and then `a` broke and was given up.
fn given_up() -> Vec<Event> {
    let mut given = rolling();
    given.push(broke(11, 0, Some(2)));
    given.push(broke(10, 0, None));
    let gave_up = GaveUp::after(service(&given).failing.as_ref().unwrap());
    given.push(Event::GaveUp(gave_up));
    given
}

#[test]
fn a_revision_that_fails_is_no_failure_of_the_one_before() {
    let mut given = rolling();
    given.push(broke(11, 0, Some(2)));
    let failed = service(&given);
    assert_eq!((failed.rollout.failed, failed.failing), (Some(2), None));
    given.push(broke(10, 0, None));
    let failing = service(&given).failing.unwrap();
    assert_eq!(failing.failures, 1);
}

#[test]
fn what_leaves_counts_as_no_failure() {
    let mut given = rolling();
    given.push(switched(11, 2));
    given.push(broke(10, 0, None));
    assert_eq!(service(&given).failing, None);
}

#[test]
fn an_update_a_start_and_a_restart_hold_nothing_against_it() {
    let given = given_up();
    let held = service(&given);
    assert!(held.is_held_back() && held.gave_up.is_some() && held.rollout.failed.is_some());
    for command in [
        Command::Revise(Box::new(configuration("b", 1))),
        Command::Start,
        Command::Restart { after: 2 },
    ] {
        let decided = decide(&given, &command).unwrap();
        assert_eq!(decided.len(), 1, "{command:?}");
        let given = [given.clone(), decided].concat();
        let tried = service(&given);
        assert!(!tried.is_held_back(), "{command:?}");
        assert_eq!(tried.failing, None, "{command:?}");
        assert_eq!(tried.target(), tried.desired.as_ref(), "{command:?}");
    }
}

#[test]
fn a_restart_that_was_overtaken_is_not_taken_up_where_what_overtook_it_fails() {
    let state = fold::<ServiceAggregate>(&[
        created(),
        revised("a", 1),
        activated("a", 1, 1),
        switched(1, 1),
        Event::Restarted(Restarted { revision: 2 }),
        activated("a", 2, 2),
        revised("b", 3),
        activated("b", 3, 3),
        ended(3, Outcome::Failed, Some(3)),
    ]);
    let service = state.unwrap();
    assert!(service.is_current(&run("a", 1, 1)));
    assert!(!service.is_current(&run("a", 2, 2)));
}
