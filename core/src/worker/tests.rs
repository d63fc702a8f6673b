use super::*;
use crate::aggregate::testing::when;
use uuid::Uuid;

fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn started(number: u128, run: u32) -> Event {
    Event::Started(Started {
        service: ServiceId(Uuid::from_u128(1)),
        index: 0,
        name: "q:0".into(),
        job: job(number),
        run,
        revision: 1,
    })
}

fn restarted(run: u32, failures: u32) -> Event {
    Event::Restarted(Restarted {
        job: job(10),
        run,
        revision: 1,
        reason: "loop-error".into(),
        failures,
    })
}

fn unhealthy(run: u32, reason: &str) -> Event {
    Event::Unhealthy(Unhealthy {
        job: job(10),
        run,
        reason: reason.into(),
        message: String::new(),
        unlaunched: false,
    })
}

fn recovered(run: u32) -> Event {
    Event::Recovered(Recovered { job: job(10), run })
}

fn stopped(run: u32) -> Event {
    Event::Stopped(Stopped { job: job(10), run })
}

fn command(event: &Event) -> Command {
    match event.clone() {
        Event::Started(started) => Command::Start(started),
        Event::Unhealthy(unhealthy) => Command::Fail(unhealthy),
        Event::Recovered(recovered) => Command::Recover(recovered),
        Event::Restarted(restarted) => Command::Restart(restarted),
        Event::Stopped(stopped) => Command::Stop(stopped),
    }
}

#[track_caller]
fn decide(given: &[Event], event: &Event) -> Result<Vec<Event>, Refusal> {
    when::<WorkerAggregate>(given, &command(event))
}

#[test]
fn a_worker_is_named_after_its_service() {
    let service = ServiceId(Uuid::from_u128(7));
    assert_eq!(parse_id(&id(service, 12)), Some((service, 12)));
    for bad in ["", "x-1", &service.to_string(), &format!("{service}-x")] {
        assert_eq!(parse_id(bad), None, "{bad}");
    }
    assert_eq!(
        name(&"my_app_project".parse().unwrap(), 3),
        "my_app_project:3"
    );
}

#[test]
fn a_worker_starts_fails_and_is_replaced() {
    let mut story = Vec::new();
    for event in [
        started(10, 0),
        unhealthy(0, "loop-error"),
        restarted(1, 1),
        unhealthy(1, "stale-heartbeat(5.1s)"),
        recovered(1),
        stopped(1),
        started(10, 2),
    ] {
        assert_eq!(decide(&story, &event), Ok(vec![event.clone()]), "{story:?}");
        story.push(event);
    }
}

#[test]
fn the_first_reason_counts() {
    let given = [started(10, 0), unhealthy(0, "stale-heartbeat(5.1s)")];
    assert_eq!(decide(&given, &unhealthy(0, "loop-cancelled")), Ok(vec![]));
}

#[test]
fn what_comes_late_is_refused() {
    let given = [started(10, 0), unhealthy(0, "loop-error"), restarted(1, 1)];
    for late in [unhealthy(0, "loop-error"), recovered(0), stopped(0)] {
        assert!(decide(&given, &late).unwrap_err().is_stale(), "{late:?}");
    }
    let other = [started(11, 0)];
    assert!(
        decide(&other, &unhealthy(0, "loop-error"))
            .unwrap_err()
            .is_stale()
    );
}

#[test]
fn what_is_no_news_is_nothing() {
    let well = [started(10, 0)];
    assert_eq!(decide(&well, &recovered(0)), Ok(vec![]));
    assert_eq!(decide(&well, &started(10, 0)), Ok(vec![]));
    let over = [started(10, 0), stopped(0)];
    for late in [unhealthy(0, "loop-error"), recovered(0)] {
        assert_eq!(decide(&over, &late), Ok(vec![]), "{late:?}");
    }
    assert_eq!(decide(&[], &stopped(0)).unwrap_err().code, "not-found");
}

#[test]
fn failures_in_a_row_are_counted_until_it_starts_as_usual() {
    let failures = |given: &[Event]| {
        crate::aggregate::testing::fold::<WorkerAggregate>(given)
            .unwrap()
            .failures
    };
    let mut given = vec![started(10, 0), unhealthy(0, "loop-error"), restarted(1, 1)];
    given.extend([unhealthy(1, "loop-error"), restarted(2, 2)]);
    assert_eq!(failures(&given), 2);
    given.extend([stopped(2), started(10, 3)]);
    assert_eq!(failures(&given), 0);
}
