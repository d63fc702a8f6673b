use std::path::Path;

use super::*;
use crate::aggregate::testing::{fold, when};
use crate::command::AnyPart;
use crate::ids::{AccountId, ExecutorId, JobId, ServiceId};
use crate::names::AccountName;
use crate::service::Resource;
use uuid::Uuid;

const QUEUING: usize = 1;
const QUEUED: usize = 2;
const RUNNING: usize = 3;
const READY: usize = 4;

fn submitted() -> Submitted {
    let configuration = configuration("a", 1);
    Submitted {
        id: JobId(Uuid::from_u128(1)),
        name: None,
        service: Some(ForService {
            service: Resource {
                id: ServiceId(Uuid::from_u128(2)),
                full_name: "snow.testacc.web".parse().unwrap(),
            },
            revision: 1,
            key: configuration.key(),
            worker: None,
        }),
        configuration: Box::new(configuration),
        account_id: AccountId(Uuid::from_u128(3)),
        user: None,
    }
}

fn claimed(run: u32, claim: u32) -> Claimed {
    Claimed {
        run,
        claim,
        executor: ExecutorId(Uuid::from_u128(4)),
        epoch: 1,
    }
}

fn started(run: u32, claim: u32) -> Started {
    Started {
        run,
        claim,
        backend: "process".into(),
        endpoint: Endpoint::Unix(Path::new("/run/x").into()),
        limits: "rlimit".into(),
        network: "none".into(),
        image: None,
        image_ignored: true,
    }
}

fn ready(run: u32, claim: u32) -> Ready {
    Ready {
        run,
        claim,
        phases: Phases::default(),
    }
}

fn ended(run: u32, claim: Option<u32>, state: Outcome) -> Ended {
    Ended {
        run,
        claim,
        state,
        reason: "exit".into(),
        message: String::new(),
        exit_code: Some(1),
        signal: None,
    }
}

fn cancelling() -> Event {
    Event::Cancelling(Cancelling {
        run: 0,
        reason: "killed".into(),
        drain_ms: None,
    })
}

/// A run's life, cut after so many events.
fn life(events: usize) -> Vec<Event> {
    let mut life = vec![
        Event::Submitted(submitted()),
        Event::Claimed(claimed(0, 1)),
        Event::Started(started(0, 1)),
        Event::Ready(ready(0, 1)),
    ];
    life.truncate(events);
    life
}

fn with(events: usize, more: impl IntoIterator<Item = Event>) -> Vec<Event> {
    life(events).into_iter().chain(more).collect()
}

#[track_caller]
fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
    when::<JobAggregate>(given, command)
}

#[track_caller]
fn assert_stale(given: &[Event], command: &Command) {
    assert!(
        decide(given, command).unwrap_err().is_stale(),
        "{command:?}"
    );
}

#[test]
fn a_run_goes_from_queuing_to_running() {
    let commands = [
        Command::Submit(submitted()),
        Command::Claim(claimed(0, 1)),
        Command::Start(started(0, 1)),
        Command::Ready(ready(0, 1)),
    ];
    let phases = [
        Phase::Queuing,
        Phase::Queued,
        Phase::Running,
        Phase::Running,
    ];
    for (events, (command, phase)) in commands.iter().zip(phases).enumerate() {
        assert_eq!(
            decide(&life(events), command),
            Ok(life(events + 1)[events..].to_vec())
        );
        let job = fold::<JobAggregate>(&life(events + 1)).unwrap();
        assert_eq!((job.phase, job.ready), (phase, events + 1 == READY));
    }
}

#[test]
fn the_first_claim_wins() {
    let other = Claimed {
        executor: ExecutorId(Uuid::from_u128(5)),
        ..claimed(0, 1)
    };
    assert_stale(&life(QUEUED), &Command::Claim(other));
    assert_stale(&life(QUEUED), &Command::Claim(claimed(0, 2)));
    assert_stale(&life(QUEUING), &Command::Claim(claimed(1, 1)));
}

#[test]
fn what_is_late_meets_another_claim() {
    let retried = with(
        READY,
        [
            Event::Ended(ended(0, Some(1), Outcome::Failed)),
            Event::Retried(Retried { run: 1 }),
            Event::Claimed(claimed(1, 2)),
        ],
    );
    for late in [
        Command::Start(started(0, 1)),
        Command::Ready(ready(0, 1)),
        Command::End(ended(0, Some(1), Outcome::Succeeded)),
        Command::Cancel {
            run: 0,
            reason: "killed".into(),
        },
        Command::Claim(claimed(0, 1)),
    ] {
        assert_stale(&retried, &late);
    }
    let next = Command::Start(started(1, 2));
    assert!(decide(&retried, &next).is_ok_and(|events| events.len() == 1));
}

#[test]
fn a_run_that_was_asked_to_end_is_cancelled() {
    let cancel = Command::Cancel {
        run: 0,
        reason: "killed".into(),
    };
    for events in [QUEUED, RUNNING, READY] {
        assert_eq!(decide(&life(events), &cancel), Ok(vec![cancelling()]));
        let given = with(events, [cancelling()]);
        assert_stale(&given, &Command::End(ended(0, Some(1), Outcome::Succeeded)));
        let end = ended(0, Some(1), Outcome::Cancelled);
        assert_eq!(
            decide(&given, &Command::End(end.clone())),
            Ok(vec![Event::Ended(end)])
        );
    }
}

#[test]
fn a_worker_may_finish_what_it_is_at_until_somebody_loses_patience() {
    let drain = |drain_ms| Command::Drain {
        run: 0,
        reason: "service-stopped".into(),
        drain_ms,
    };
    let draining = Event::Cancelling(Cancelling {
        run: 0,
        reason: "service-stopped".into(),
        drain_ms: Some(30_000),
    });
    let decided = decide(&life(READY), &drain(30_000));
    assert_eq!(decided, Ok(vec![draining.clone()]));
    let given = with(READY, [draining]);
    assert_eq!(decide(&given, &drain(10)), Ok(vec![]));
    let kill = Command::Cancel {
        run: 0,
        reason: "killed".into(),
    };
    assert_eq!(decide(&given, &kill), Ok(vec![cancelling()]));
}

#[test]
fn a_run_that_nobody_claimed_ends_at_once() {
    let account = "snow.testacc".parse().unwrap();
    let job = fold::<JobAggregate>(&life(QUEUING)).unwrap();
    let parts = cancel(&account, &job, 0, "killed").unwrap();
    let effects: Vec<_> = parts.iter().map(|part| part.effect()).collect();
    assert_eq!(effects, ["job_ended", "ended"]);
    let end = Command::End(ended(0, None, Outcome::Cancelled));
    assert!(decide(&life(QUEUING), &end).is_ok());
    assert_stale(&life(QUEUED), &end);
    let claimed = fold::<JobAggregate>(&life(QUEUED)).unwrap();
    assert_eq!(cancel(&account, &claimed, 0, "killed").unwrap().len(), 1);
}

#[test]
fn a_job_that_ended_is_not_cancelled() {
    let given = with(READY, [Event::Ended(ended(0, Some(1), Outcome::Succeeded))]);
    let refusal = decide(
        &given,
        &Command::Cancel {
            run: 0,
            reason: String::new(),
        },
    )
    .unwrap_err();
    assert_eq!(refusal.code, "already-ended");
    assert!(refusal.message.contains("SUCCEEDED"), "{refusal}");
}

#[test]
fn only_what_did_not_succeed_runs_again() {
    let after = |state| with(READY, [Event::Ended(ended(0, Some(1), state))]);
    for state in [Outcome::Failed, Outcome::Cancelled, Outcome::Interrupted] {
        let retried = Ok(vec![Event::Retried(Retried { run: 1 })]);
        assert_eq!(decide(&after(state), &Command::Retry { run: 1 }), retried);
        assert_stale(&after(state), &Command::Retry { run: 2 });
    }
    assert_stale(&after(Outcome::Succeeded), &Command::Retry { run: 1 });
    assert_stale(&life(READY), &Command::Retry { run: 1 });
}

#[test]
fn readiness_comes_and_goes() {
    let unready = Unready {
        run: 0,
        claim: 1,
        reason: "refused".into(),
    };
    let lost = decide(&life(READY), &Command::Unready(unready.clone()));
    assert_eq!(lost, Ok(vec![Event::Unready(unready.clone())]));
    let early = decide(&life(RUNNING), &Command::Unready(unready.clone()));
    assert_eq!(
        early,
        Ok(vec![Event::Unready(unready.clone())]),
        "why not yet"
    );
    let early = decide(&life(QUEUED), &Command::Unready(unready.clone()));
    assert_eq!(early, Ok(vec![]), "it does not run");
    let back = with(READY, [Event::Unready(unready)]);
    assert_eq!(
        decide(&back, &Command::Ready(ready(0, 1))),
        Ok(vec![Event::Ready(ready(0, 1))])
    );
}

#[test]
fn an_end_tells_the_service() {
    let account = "snow.testacc".parse().unwrap();
    let job = fold::<JobAggregate>(&with(READY, [cancelling()])).unwrap();
    let now = time::OffsetDateTime::UNIX_EPOCH;
    let parts = end(
        &account,
        &job,
        ended(0, Some(1), Outcome::Failed),
        (now, false),
    );
    let addresses: Vec<_> = parts.iter().map(|part| part.address().kind()).collect();
    assert_eq!(addresses, ["service", "job"]);
}

fn frozen() -> Event {
    Event::Frozen(Frozen {
        run: 0,
        claim: 1,
        reason: "asked".into(),
    })
}

fn thawed() -> Event {
    Event::Thawed(Thawed { run: 0, claim: 1 })
}

#[track_caller]
fn planned(given: &[Event], plan: impl Fn(&AccountName, &Job) -> Result<Parts, Refusal>) -> Plan {
    let account = "snow.testacc".parse().unwrap();
    let job = fold::<JobAggregate>(given).unwrap();
    let parts = plan(&account, &job).map_err(|refusal| refusal.code)?;
    Ok(parts.iter().map(|part| part.effect()).collect())
}

type Parts = Vec<Box<dyn AnyPart>>;
type Plan = Result<Vec<&'static str>, &'static str>;

#[test]
fn only_a_run_whose_command_runs_is_frozen() {
    let freeze = |account: &AccountName, job: &Job| freeze(account, job, "asked");
    for events in [RUNNING, READY] {
        assert_eq!(planned(&life(events), freeze), Ok(vec!["frozen"]));
        assert_eq!(planned(&life(events), thaw), Ok(vec!["busy", "thawed"]));
    }
    for events in [QUEUING, QUEUED] {
        assert_eq!(planned(&life(events), freeze), Err("not-running"));
    }
    let over = with(READY, [Event::Ended(ended(0, Some(1), Outcome::Failed))]);
    assert_eq!(planned(&over, freeze), Err("already-ended"));
    assert_eq!(planned(&over, thaw), Err("already-ended"));
}

#[test]
fn a_run_is_frozen_once_and_thawed_once() {
    let Event::Frozen(freeze) = frozen() else {
        unreachable!()
    };
    let Event::Thawed(thaw) = thawed() else {
        unreachable!()
    };
    let (freeze, thaw) = (Command::Freeze(freeze), Command::Thaw(thaw));
    assert_eq!(decide(&life(READY), &freeze), Ok(vec![frozen()]));
    assert_eq!(decide(&life(READY), &thaw), Ok(vec![]));
    let given = with(READY, [frozen()]);
    assert_eq!(decide(&given, &freeze), Ok(vec![]));
    assert_eq!(decide(&given, &thaw), Ok(vec![thawed()]));
    let given = with(READY, [frozen(), thawed()]);
    assert_eq!(decide(&given, &freeze), Ok(vec![frozen()]));
    // Late for another claim, or for a run that is to end.
    let later = Command::Freeze(Frozen {
        run: 0,
        claim: 2,
        reason: "asked".into(),
    });
    assert_stale(&life(READY), &later);
    assert_stale(&with(READY, [frozen(), cancelling()]), &thaw);
    assert_stale(&with(READY, [cancelling()]), &freeze);
}

#[test]
fn a_frozen_run_stays_as_ready_as_it_was() {
    let given = with(READY, [frozen()]);
    let late = Command::Unready(Unready {
        run: 0,
        claim: 1,
        reason: "silent".into(),
    });
    assert_eq!(decide(&given, &late), Ok(vec![]));
    let job = fold::<JobAggregate>(&given).unwrap();
    assert_eq!(
        (job.phase, job.ready, job.frozen),
        (Phase::Running, true, true)
    );
}

#[test]
fn what_is_to_end_is_frozen_no_more() {
    let cancelled = with(READY, [frozen(), cancelling()]);
    assert!(!fold::<JobAggregate>(&cancelled).unwrap().frozen);
    let end = Event::Ended(ended(0, Some(1), Outcome::Failed));
    let over = with(READY, [frozen(), end.clone()]);
    assert!(!fold::<JobAggregate>(&over).unwrap().frozen);
    let again = with(READY, [frozen(), end, Event::Retried(Retried { run: 1 })]);
    assert!(!fold::<JobAggregate>(&again).unwrap().frozen);
}
