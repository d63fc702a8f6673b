//! Following the log: in order, each event once, through the server's death.

use std::time::Instant;

use eai_core::log::{Log, Position, Recorded, Subscription};
use eai_core::service::Command;
use eai_core::subject::{ALL_EVENTS, account_filter};
use time::OffsetDateTime;

use super::server::{SHORT, Server, open};
use super::support::{
    CREATED, account, add_member, created, execute, on, role_of, service_of, toggle, verified,
    within,
};

async fn next(subscription: &mut Subscription) -> Recorded {
    within("an event", subscription.next()).await.unwrap()
}

/// The sequences of the next `count` events.
async fn sequences(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut sequences = Vec::new();
    while sequences.len() < count {
        sequences.push(next(subscription).await.sequence);
    }
    sequences
}

async fn filled(server: &Server) -> (Log, eai_core::ids::ServiceId) {
    let log = server.log().await;
    let service = service_of(created(&log, "web").await);
    toggle(&log, service, 14).await;
    (log, service)
}

const FILLED: u64 = CREATED as u64 + 14;

#[tokio::test]
async fn it_begins_where_it_is_told_to() {
    let server = Server::start();
    let (log, service) = filled(&server).await;
    for from in [1, 7, FILLED] {
        let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(from));
        let wanted: Vec<_> = (from..=FILLED).collect();
        assert_eq!(sequences(&mut subscription, wanted.len()).await, wanted);
    }
    let middle = OffsetDateTime::now_utc();
    toggle(&log, service, 2).await;
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Time(middle));
    assert_eq!(
        sequences(&mut subscription, 2).await,
        [FILLED + 1, FILLED + 2]
    );
    let filter = account_filter(&account(), Some("service"), None, Some("stopped"));
    let mut subscription = log.subscribe(filter, Position::START);
    for stopped in 0..8 {
        let event = next(&mut subscription).await;
        assert!(event.subject.ends_with(".stopped"), "{}", event.subject);
        assert_eq!(event.sequence, CREATED as u64 + 1 + 2 * stopped);
    }
}

#[tokio::test]
async fn what_is_here_already_comes_without_waiting() {
    let server = Server::start();
    let (log, service) = filled(&server).await;
    let mut subscription = log.subscribe(ALL_EVENTS, Position::START);
    assert!(subscription.ready().is_none(), "nothing was asked for yet");
    let mut reached = next(&mut subscription).await.sequence;
    let mut batches = 0;
    while reached < FILLED {
        while let Some(event) = subscription.ready() {
            let event = event.unwrap();
            assert_eq!(event.sequence, reached + 1);
            reached = event.sequence;
        }
        batches += 1;
        if reached < FILLED {
            assert_eq!(next(&mut subscription).await.sequence, reached + 1);
            reached += 1;
        }
    }
    assert!(batches < FILLED, "one wait brought several");
    assert!(subscription.ready().is_none());
    execute(&log, &on(service, Command::Stop)).await.unwrap();
    assert_eq!(next(&mut subscription).await.sequence, FILLED + 1);
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    let server = Server::start();
    let (log, service) = filled(&server).await;
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(FILLED));
    for round in 0..10 {
        let dropped = tokio::time::timeout(SHORT / 100, subscription.next()).await;
        let reached = match dropped {
            Ok(event) => event.unwrap().sequence,
            Err(_) => next(&mut subscription).await.sequence,
        };
        assert_eq!(reached, FILLED + round);
        let command = [Command::Stop, Command::Start][usize::try_from(round % 2).unwrap()].clone();
        execute(&log, &on(service, command)).await.unwrap();
    }
}

#[tokio::test]
async fn it_goes_on_promptly_when_the_server_is_back() {
    let mut server = Server::start();
    let (log, service) = filled(&server).await;
    let filter = account_filter(&account(), Some("service"), None, None);
    let mut busy = log.subscribe(ALL_EVENTS, Position::START);
    // The common case: a reader that is up to date, and has received nothing on this connection.
    let mut idle = log.subscribe(ALL_EVENTS, Position::Sequence(FILLED + 1));
    let mut filtered = log.subscribe(filter, Position::Sequence(FILLED + 1));
    sequences(&mut busy, 3).await;
    for subscription in [&mut idle, &mut filtered] {
        let waiting = tokio::time::timeout(SHORT, subscription.next()).await;
        assert!(waiting.is_err(), "there is nothing yet");
    }
    let mut reached = FILLED;
    for round in 0..2 {
        server.kill();
        server.up();
        let back = Instant::now();
        toggle(&log, service, 2).await;
        reached += 2;
        let from = if round == 0 { 4 } else { reached - 1 };
        let wanted: Vec<_> = (from..=reached).collect();
        assert_eq!(sequences(&mut busy, wanted.len()).await, wanted);
        for subscription in [&mut idle, &mut filtered] {
            assert_eq!(sequences(subscription, 2).await, [reached - 1, reached]);
        }
        assert!(
            back.elapsed().as_secs() < 5,
            "round {round}: {:?}",
            back.elapsed()
        );
    }
    assert!(idle.ready().is_none() && filtered.ready().is_none() && busy.ready().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_waits_through_the_servers_death_stays_where_it_is() {
    let mut server = Server::start();
    let (log, service) = filled(&server).await;
    let filter = account_filter(&account(), Some("service"), None, None);
    let waiting = [ALL_EVENTS.to_owned(), filter].map(|filter| {
        let mut subscription = log.subscribe(filter, Position::Sequence(FILLED + 1));
        tokio::spawn(async move { subscription.next().await.map(|event| event.sequence) })
    });
    // The consumers are there once the server counts them.
    let client = server.client().await;
    within("two consumers", async {
        loop {
            let subject = "$JS.API.STREAM.INFO.EAI_EVENTS";
            let answer = client.request(subject, "".into()).await.unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
            if answer["state"]["consumer_count"] == 2 {
                break;
            }
        }
    })
    .await;
    server.kill();
    within("the end of the connection", async {
        while log.connection().is_up() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.up();
    let back = Instant::now();
    toggle(&log, service, 1).await;
    for reader in waiting {
        let sequence = within("an event", reader).await.unwrap().unwrap();
        assert_eq!(sequence, FILLED + 1);
    }
    assert!(back.elapsed().as_secs() < 5, "{:?}", back.elapsed());
}

#[tokio::test]
async fn a_server_that_froze_for_long_costs_nothing() {
    let server = Server::start();
    let (log, service) = filled(&server).await;
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(FILLED + 1));
    let waiting = tokio::time::timeout(SHORT, subscription.next()).await;
    assert!(waiting.is_err(), "there is nothing yet");
    server.pause();
    // Longer than the reader believes in a consumer without a heartbeat.
    let frozen = tokio::time::timeout(SHORT * 50, async {
        while let Err(error) = subscription.next().await {
            assert!(
                matches!(error, eai_core::log::Error::Unavailable(_)),
                "{error}"
            );
        }
    });
    assert!(frozen.await.is_err());
    server.resume();
    toggle(&log, service, 2).await;
    let again = within("events", async {
        let mut sequences = Vec::new();
        while sequences.len() < 2 {
            match subscription.next().await {
                Ok(event) => sequences.push(event.sequence),
                Err(error) => assert!(
                    matches!(error, eai_core::log::Error::Unavailable(_)),
                    "{error}"
                ),
            }
        }
        sequences
    });
    assert_eq!(again.await, [FILLED + 1, FILLED + 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_has_no_gap_while_the_server_dies_under_load() {
    const EVENTS: u64 = 120;
    let mut server = Server::start();
    let log = server.log().await;
    let role = role_of(created(&log, "web").await);
    let reader = open(server.connect().await, SHORT).await;
    let mut subscription = reader.subscribe(ALL_EVENTS, Position::START);
    let writer = async {
        for index in 0..EVENTS {
            execute(&log, &add_member(role, index.into()))
                .await
                .unwrap();
        }
    };
    let last = CREATED as u64 + EVENTS;
    let reading = async {
        let mut reached = 0;
        while reached < last {
            match within("an event", subscription.next()).await {
                Ok(event) => {
                    assert_eq!(event.sequence, reached + 1);
                    reached += 1;
                }
                Err(error) => assert!(
                    matches!(error, eai_core::log::Error::Unavailable(_)),
                    "{error}"
                ),
            }
            if reached % 40 == 0 && reached < last {
                server.kill();
                server.up();
            }
        }
    };
    tokio::join!(writer, reading);
    assert_eq!(verified(&log).await.len() as u64, last);
}
