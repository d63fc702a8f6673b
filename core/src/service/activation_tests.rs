use super::*;
use crate::aggregate::Aggregate as _;
use crate::aggregate::testing::{fold, when};
use crate::job::configuration;
use crate::service::tests::created;
use crate::service::{Stopped, Switched};
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

fn activated(content: &str, revision: u32, job: u128, run: u32) -> Activated {
    Activated {
        job: job_id(job),
        run,
        revision,
        key: configuration(content, 1).key(),
        worker: None,
        by_itself: false,
        replica: false,
    }
}

fn ended(job: u128, run: u32, state: Outcome) -> Event {
    Event::JobEnded(JobEnded {
        job: job_id(job),
        run,
        state,
        failed_revision: None,
        ending: None,
    })
}

/// Made, revised, one job started.
fn running() -> Vec<Event> {
    vec![
        created(),
        revised("a", 1),
        Event::Activated(activated("a", 1, 10, 0)),
    ]
}

fn activation(given: &[Event]) -> Result<Activation, Refusal> {
    fold::<ServiceAggregate>(given)
        .unwrap()
        .activation(job_id(99))
}

#[track_caller]
fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<ServiceAggregate>(given, command)
}

#[test]
fn a_job_that_is_alive_is_joined() {
    let alive = activated("a", 1, 10, 0);
    assert_eq!(activation(&running()), Ok(Activation::Join(alive.clone())));
    assert_eq!(decide(&running(), &Command::Activate(alive)), Ok(vec![]));
}

#[test]
fn one_that_did_not_succeed_runs_again() {
    for state in [Outcome::Failed, Outcome::Interrupted, Outcome::Cancelled] {
        let mut given = running();
        given.push(ended(10, 0, state));
        let retry = activated("a", 1, 10, 1);
        assert_eq!(activation(&given), Ok(Activation::Retry(retry.clone())));
        let decided = decide(&given, &Command::Activate(retry.clone()));
        assert_eq!(decided, Ok(vec![Event::Activated(retry)]));
    }
}

#[test]
fn one_that_succeeded_makes_room_for_a_new_one() {
    let mut given = running();
    given.push(ended(10, 0, Outcome::Succeeded));
    let new = activated("a", 1, 99, 0);
    assert_eq!(activation(&given), Ok(Activation::New(new)));
}

#[test]
fn a_job_of_another_spec_does_not_count() {
    let mut given = running();
    given.push(ended(10, 0, Outcome::Failed));
    given.push(revised("b", 2));
    assert_eq!(
        activation(&given),
        Ok(Activation::New(activated("b", 2, 99, 0)))
    );
    // Back at the first spec, its job is the one to run again.
    given.push(revised("a", 3));
    assert_eq!(
        activation(&given),
        Ok(Activation::Retry(activated("a", 3, 10, 1)))
    );
}

#[test]
fn a_plan_on_an_older_state_is_refused() {
    let stale = Command::Activate(activated("a", 1, 11, 0));
    assert!(decide(&running(), &stale).unwrap_err().is_stale());
    let unrevised = [created()];
    assert!(activation(&unrevised).unwrap_err().is_stale());
}

#[test]
fn a_service_that_is_off_starts_nothing() {
    let mut given = running();
    given.push(Event::Stopped(Stopped::default()));
    assert_eq!(activation(&given).unwrap_err().code, "service-off");
    let command = Command::Activate(activated("a", 1, 10, 0));
    assert_eq!(decide(&given, &command).unwrap_err().code, "service-off");
    // Started again at once, it does not go back to the job that has to end.
    given.push(Event::Started(crate::service::Started {}));
    assert_eq!(
        activation(&given),
        Ok(Activation::New(activated("a", 1, 99, 0)))
    );
    given.push(ended(10, 0, Outcome::Cancelled));
    let service = fold::<ServiceAggregate>(&given).unwrap();
    assert!(service.ending.is_empty());
}

#[test]
fn revisions_are_counted_and_equal_ones_are_one() {
    let revise = |content| Command::Revise(Box::new(configuration(content, 2)));
    assert_eq!(decide(&running(), &revise("a")), Ok(vec![]));
    let decided = decide(&running(), &revise("b")).unwrap();
    let [Event::Revised(second)] = decided.as_slice() else {
        panic!("{decided:?}");
    };
    assert_eq!(second.revision, 2);
}

#[test]
fn requests_go_to_the_newest_revision_that_answered() {
    let switch = |job, run| {
        Command::Switch(Switched {
            job: job_id(job),
            run,
            revision: None,
            drain_ms: Some(5),
        })
    };
    let switched = |job, revision| {
        Event::Switched(Switched {
            job: job_id(job),
            run: 0,
            revision: Some(revision),
            drain_ms: Some(5),
        })
    };
    let mut given = running();
    assert_eq!(decide(&given, &switch(10, 0)), Ok(vec![switched(10, 1)]));
    assert!(decide(&given, &switch(10, 1)).unwrap_err().is_stale());
    given.extend([
        switched(10, 1),
        revised("b", 2),
        Event::Activated(activated("b", 2, 11, 0)),
    ]);
    assert_eq!(decide(&given, &switch(11, 0)), Ok(vec![switched(11, 2)]));
    given.push(switched(11, 2));
    assert_eq!(decide(&given, &switch(10, 0)), Ok(vec![]), "late news");
}

#[test]
fn a_run_ends_once() {
    let end = |run| {
        Command::EndJob(JobEnded {
            job: job_id(10),
            run,
            state: Outcome::Failed,
            failed_revision: None,
            ending: None,
        })
    };
    assert_eq!(
        decide(&running(), &end(0)),
        Ok(vec![ended(10, 0, Outcome::Failed)])
    );
    assert_eq!(decide(&running(), &end(1)), Ok(vec![]), "not this run");
}

#[test]
fn what_could_run_again_is_bounded() {
    let mut given = vec![created()];
    for number in 1..=40 {
        let content = number.to_string();
        given.push(revised(&content, number));
        let run = activated(&content, number, number.into(), 0);
        given.push(Event::Activated(run));
        given.push(ended(number.into(), 0, Outcome::Failed));
    }
    let service = fold::<ServiceAggregate>(&given).unwrap();
    assert_eq!(service.reusable.len(), MOST_REUSABLE);
    assert!(service.live.is_empty());
    assert_eq!(
        ServiceAggregate::evolve(Some(service.clone()), &ended(1, 0, Outcome::Failed)),
        Some(service)
    );
}

#[test]
fn a_command_is_over_service_and_job() {
    let job = Job {
        id: job_id(99),
        account_id: AccountId(Uuid::from_u128(5)),
        user: None,
        by_itself: false,
        now: OffsetDateTime::UNIX_EPOCH,
    };
    let account: AccountName = "snow.testacc".parse().unwrap();
    let parts = |given: &[Event]| {
        let service = fold::<ServiceAggregate>(given).unwrap();
        let (_, parts) = activate(&account, &service, &job).unwrap();
        let effects = parts
            .iter()
            .map(|part| format!("{} {}", part.address().kind(), part.effect()));
        effects.collect::<Vec<_>>()
    };
    let mut given = vec![created(), revised("a", 1)];
    assert_eq!(parts(&given), ["service activated", "job submitted"]);
    given.push(Event::Activated(activated("a", 1, 99, 0)));
    assert!(parts(&given).is_empty());
    given.push(ended(99, 0, Outcome::Failed));
    assert_eq!(parts(&given), ["service activated", "job retried"]);
}
