use super::*;
use crate::aggregate::Aggregate as _;
use crate::aggregate::testing::{fold, when};
use crate::ids::AccountId;
use crate::job::{Outcome, configuration};
use crate::service::tests::created;
use crate::service::{Created, JobEnded, Revised, Started, Status};
use uuid::Uuid;

fn job_id(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn queue() -> Event {
    let Event::Created(created) = created() else {
        unreachable!()
    };
    Event::Created(Created {
        status: Status::Off,
        queue: Some(Queue::of(2)),
        ..created
    })
}

fn revised(content: &str, revision: u32) -> Event {
    let configuration = configuration(content, u64::from(revision));
    Event::Revised(Revised {
        revision,
        key: configuration.key(),
        configuration: Box::new(configuration),
    })
}

fn activated(content: &str, revision: u32, (worker, job, run): (u32, u128, u32)) -> Activated {
    Activated {
        job: job_id(job),
        run,
        revision,
        key: configuration(content, 1).key(),
        worker: Some(worker),
        by_itself: false,
        replica: false,
    }
}

fn ended(job: u128, run: u32) -> Event {
    Event::JobEnded(JobEnded {
        job: job_id(job),
        run,
        state: Outcome::Failed,
        failed_revision: None,
        ending: None,
    })
}

/// Started, with both workers at work.
fn running() -> Vec<Event> {
    vec![
        queue(),
        revised("a", 1),
        Event::Started(Started {}),
        Event::Activated(activated("a", 1, (0, 10, 0))),
        Event::Activated(activated("a", 1, (1, 11, 0))),
    ]
}

fn stopped(keep_workers: bool) -> Stopped {
    Stopped {
        keep_workers,
        timeout_ms: Some(5),
    }
}

#[track_caller]
fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<ServiceAggregate>(given, command)
}

fn code(given: &[Event], command: &Command) -> &'static str {
    decide(given, command).unwrap_err().code
}

fn folded(given: &[Event]) -> Service {
    fold::<ServiceAggregate>(given).unwrap()
}

#[test]
fn a_queue_that_runs_is_stopped_before_it_is_started() {
    let started = Event::Started(Started {});
    assert_eq!(decide(&[queue()], &Command::Start), Ok(vec![started]));
    let refusal = decide(&running(), &Command::Start).unwrap_err();
    assert_eq!(refusal.code, "already-running");
    assert!(
        refusal.message.contains("eai service stop web"),
        "{refusal}"
    );
}

#[test]
fn each_worker_has_a_job_of_its_own() {
    let service = folded(&running());
    for (index, job) in [(0, 10), (1, 11)] {
        let alive = activated("a", 1, (index, job, 0));
        assert_eq!(
            service.worker_activation(index, job_id(99)),
            Ok(Activation::Join(alive))
        );
    }
    assert!(
        service
            .worker_activation(2, job_id(99))
            .unwrap_err()
            .is_stale()
    );
    let mut given = running();
    given.extend([ended(10, 0), ended(11, 0)]);
    for (index, job) in [(0, 10), (1, 11)] {
        let again = activated("a", 1, (index, job, 1));
        let activation = folded(&given).worker_activation(index, job_id(99));
        assert_eq!(activation, Ok(Activation::Retry(again.clone())));
        let decided = decide(&given, &Command::Activate(again.clone()));
        assert_eq!(decided, Ok(vec![Event::Activated(again)]));
    }
    given.push(revised("b", 2));
    let new = activated("b", 2, (1, 99, 0));
    let activation = folded(&given).worker_activation(1, job_id(99));
    assert_eq!(activation, Ok(Activation::New(new)));
}

#[test]
fn a_worker_brings_its_service_and_job_along() {
    let job = Job {
        id: job_id(99),
        account_id: AccountId(Uuid::from_u128(1)),
        user: None,
        by_itself: false,
        now: time::OffsetDateTime::UNIX_EPOCH,
    };
    let account = "snow.testacc".parse().unwrap();
    let mut given = running();
    given.push(ended(11, 0));
    let restart = worker::Restart {
        reason: "loop-error".into(),
        failures: 1,
    };
    let (run, parts) = activate_worker(&account, &folded(&given), 1, &job, Some(restart)).unwrap();
    assert_eq!((run.job, run.run), (job_id(11), 1));
    let effects: Vec<_> = parts.iter().map(|part| part.effect()).collect();
    assert_eq!(effects, ["restarted", "activated", "retried"]);
    let (_, parts) = activate_worker(&account, &folded(&given), 0, &job, None).unwrap();
    assert!(parts.is_empty(), "it is alive");
}

#[test]
fn a_stop_ends_the_workers_unless_they_are_kept() {
    let decided = decide(&running(), &Command::StopWorkers(stopped(false)));
    assert_eq!(decided, Ok(vec![Event::Stopped(stopped(false))]));
    let mut given = running();
    given.push(Event::Stopped(stopped(false)));
    let service = folded(&given);
    assert_eq!(
        (service.live.len(), service.ending.len(), service.drain_ms),
        (0, 2, 5)
    );

    let mut given = running();
    given.push(Event::Stopped(stopped(true)));
    let kept = folded(&given);
    assert_eq!((kept.live.len(), kept.status), (2, Status::Off));
    assert_eq!(
        decide(&given, &Command::StopWorkers(stopped(true))),
        Ok(vec![])
    );
    let usual = Event::Stopped(Stopped::default());
    assert_eq!(decide(&given, &Command::Stop), Ok(vec![usual.clone()]));
    given.push(usual);
    let service = folded(&given);
    assert_eq!(
        (service.ending.len(), service.drain_ms),
        (2, STOP_TIMEOUT_MS)
    );
    assert_eq!(decide(&given, &Command::Stop), Ok(vec![]));
}

#[test]
fn the_wanted_workers_are_counted() {
    let scale = |workers| Command::Scale { workers };
    let scaled = |workers| Event::Scaled(Scaled { workers });
    assert_eq!(decide(&running(), &scale(3)), Ok(vec![scaled(3)]));
    assert_eq!(decide(&running(), &scale(2)), Ok(vec![]));
    for bad in [0, MAX_WORKERS + 1] {
        assert_eq!(code(&running(), &scale(bad)), "bad-queue");
    }
    let mut given = running();
    given.push(scaled(1));
    assert!(
        folded(&given)
            .worker_activation(1, job_id(9))
            .unwrap_err()
            .is_stale()
    );
}

#[test]
fn a_service_without_a_queue_has_no_workers() {
    let health = HealthChanged {
        status: crate::health::Status::Running,
        workers: 1,
        running: 1,
        pending: 0,
        unhealthy: 0,
    };
    for command in [
        Command::Scale { workers: 1 },
        Command::StopWorkers(stopped(false)),
        Command::ReportHealth(health.clone()),
        Command::Activate(activated("a", 1, (0, 10, 0))),
    ] {
        assert_eq!(code(&[created(), revised("a", 1)], &command), "not-a-queue");
    }
    let report = Command::ReportHealth(health.clone());
    assert_eq!(
        decide(&[queue()], &report),
        Ok(vec![Event::HealthChanged(health)])
    );
}

#[test]
fn what_no_queue_can_be_is_refused() {
    assert!(Queue::of(1).check().is_ok());
    for bad in [
        Queue::of(0),
        Queue::of(MAX_WORKERS + 1),
        Queue {
            heartbeat_timeout_ms: 1,
            ..Queue::of(1)
        },
        Queue {
            stop_timeout_ms: MAX_TIME_MS + 1,
            ..Queue::of(1)
        },
        Queue {
            idle_timeout_ms: Some(0),
            ..Queue::of(1)
        },
    ] {
        assert_eq!(bad.check().unwrap_err().code, "bad-queue", "{bad:?}");
    }
    let little: Queue = serde_json::from_str(r#"{"workers":3}"#).unwrap();
    assert_eq!(little, Queue::of(3));
}

#[test]
fn as_many_jobs_are_remembered_as_there_are_workers() {
    let mut given = vec![queue(), revised("a", 1), Event::Started(Started {})];
    given.push(Event::Scaled(Scaled { workers: 40 }));
    for index in 0..40 {
        let run = activated("a", 1, (index, u128::from(index), 0));
        given.push(Event::Activated(run));
    }
    given.extend((0..40).map(|job| ended(job, 0)));
    let service = folded(&given);
    assert_eq!(service.reusable.len(), 40);
    assert_eq!(
        ServiceAggregate::effect(&Command::Scale { workers: 1 }),
        "scaled"
    );
}
