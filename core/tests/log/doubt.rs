//! Publishes without an answer: whatever became of them, a command has its events once, and says so in the end.

use std::time::{Duration, Instant};

use eai_core::command::Context;
use eai_core::log::{Error, Log, Outcome, Position, set_up};
use eai_core::service::Command;
use eai_core::subject::account_filter;
use futures::future::join_all;

use super::relay::{Flow, Relay};
use super::server::{LONG, MAX_BYTES, SHORT, Server, open};
use super::support::{
    CREATED, Parts, account, add_member, context, created, events_of, execute, new_service, on,
    role_of, service_of, verified, within,
};

#[tokio::test]
async fn what_was_stored_without_an_answer_is_found() {
    let server = Server::start();
    let relay = Relay::to(server.port()).await;
    let direct = server.log().await;
    let through = server.connect_through(relay.port(), SHORT).await;
    let through = open(through, LONG).await;
    let service = service_of(created(&through, "web").await);
    for (context, parts, count) in [(context(), on(service, Command::Stop), 1), {
        let context = context();
        let parts = new_service(context.id, "api");
        (context, parts, CREATED)
    }] {
        let before = direct.last_sequence().await.unwrap();
        relay.set(Flow::LoseAnswers);
        let repair = async {
            stored_after(&direct, before).await;
            relay.cut();
            relay.set(Flow::Both);
        };
        let (result, ()) = tokio::join!(through.execute(&context, &parts), repair);
        let outcome = result.unwrap();
        assert_eq!(outcome.events, count);
        assert_eq!(outcome.sequence, before + count as u64);
        assert_eq!(events_of(&verified(&direct).await, context.id), count);
    }
}

/// Waits for an event behind a sequence that the log may not have reached yet.
async fn stored_after(log: &Log, before: u64) {
    let filter = account_filter(&account(), None, None, None);
    let mut subscription = log.subscribe(filter, Position::Sequence(before + 1));
    within("an event", subscription.next()).await.unwrap();
}

#[tokio::test]
async fn an_unknown_outcome_is_said_in_time_and_settled_by_the_retry() {
    let server = Server::start();
    let made = server.log().await;
    let service = service_of(created(&made, "web").await);
    // A server that is asked and says nothing must not keep a command longer than it wants to wait.
    let hasty = open(server.connect().await, SHORT).await;
    execute(&hasty, &on(service, Command::Start)).await.unwrap();
    let (context, parts) = (context(), on(service, Command::Stop));
    server.pause();
    let start = Instant::now();
    let result = within("an answer", hasty.execute(&context, &parts)).await;
    assert!(
        matches!(&result, Err(Error::Unknown { command, .. }) if *command == context.id),
        "{result:?}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    server.resume();
    let outcome = settled(&hasty, &context, &parts).await;
    assert_eq!(outcome.events, 1);
    assert_eq!(events_of(&verified(&made).await, context.id), 1);
}

/// Repeats a command as a client does, until it has an outcome.
async fn settled(log: &Log, context: &Context, parts: &Parts) -> Outcome {
    within("an outcome", async {
        loop {
            match log.execute(context, parts).await {
                Ok(outcome) => return outcome,
                Err(Error::Unknown { .. } | Error::Unavailable(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_ghost_that_comes_too_late_is_not_stored() {
    let server = Server::start();
    let relay = Relay::to(server.port()).await;
    let direct = server.log().await;
    let through = server.connect_through(relay.port(), SHORT).await;
    let through = open(through, SHORT).await;
    let service = service_of(created(&through, "web").await);
    let (ghost, parts) = (context(), on(service, Command::Stop));
    relay.set(Flow::HoldRequests);
    let result = through.execute(&ghost, &parts).await;
    assert!(matches!(result, Err(Error::Unknown { .. })), "{result:?}");
    // Meanwhile others are at work on the same service; it ends as it was.
    for command in [Command::Stop, Command::Start] {
        let outcome = execute(&direct, &on(service, command)).await.unwrap();
        assert_eq!(outcome.events, 1);
    }
    relay.set(Flow::Both);
    // Behind the ghost on the same wire: once this is stored, the ghost was looked at.
    let (behind, parts_behind) = {
        let context = context();
        let parts = new_service(context.id, "api");
        (context, parts)
    };
    settled(&through, &behind, &parts_behind).await;
    assert_eq!(events_of(&verified(&direct).await, ghost.id), 0);
    let outcome = settled(&through, &ghost, &parts).await;
    assert_eq!(outcome.events, 1, "the retry decides anew");
    assert_eq!(events_of(&verified(&direct).await, ghost.id), 1);
}

#[tokio::test]
async fn a_ghost_that_still_fits_is_stored_once() {
    let server = Server::start();
    let relay = Relay::to(server.port()).await;
    let direct = server.log().await;
    let through = server.connect_through(relay.port(), SHORT).await;
    let through = open(through, SHORT).await;
    let service = service_of(created(&through, "web").await);
    let (ghost, parts) = (context(), on(service, Command::Stop));
    relay.set(Flow::HoldRequests);
    let result = through.execute(&ghost, &parts).await;
    assert!(matches!(result, Err(Error::Unknown { .. })), "{result:?}");
    relay.set(Flow::Both);
    // The retry races the ghost.
    let outcomes = join_all([
        settled(&through, &ghost, &parts),
        settled(&direct, &ghost, &parts),
    ])
    .await;
    assert_eq!(outcomes[0].sequence, outcomes[1].sequence);
    assert_eq!(events_of(&verified(&direct).await, ghost.id), 1);
}

#[tokio::test]
async fn no_outcome_is_promised_while_the_server_is_away() {
    let mut server = Server::start();
    let log = server.log().await;
    let service = service_of(created(&log, "web").await);
    let hasty = open(server.connect().await, SHORT).await;
    execute(&hasty, &on(service, Command::Start)).await.unwrap();
    server.kill();
    let (context, parts) = (context(), on(service, Command::Stop));
    let result = within("an answer", hasty.execute(&context, &parts)).await;
    // It depends on whether the client had noticed, before it sent.
    assert!(
        matches!(result, Err(Error::Unavailable(_) | Error::Unknown { .. })),
        "{result:?}"
    );
    server.up();
    assert_eq!(settled(&hasty, &context, &parts).await.events, 1);
    assert_eq!(events_of(&verified(&log).await, context.id), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_survive_the_servers_death() {
    const WRITERS: u128 = 4;
    const EACH: u128 = 40;
    let mut server = Server::start();
    let log = server.log().await;
    let connection = server.connect_through(server.port(), SHORT).await;
    set_up(&connection, MAX_BYTES).await.unwrap();
    let second = open(connection, Duration::from_secs(2)).await;
    let role = role_of(created(&log, "web").await);
    let writers = (0..WRITERS).map(|writer| {
        let log = if writer % 2 == 0 { &log } else { &second };
        async move {
            let mut sequences = Vec::new();
            for index in 0..EACH {
                let parts = add_member(role, writer * EACH + index);
                let outcome = settled(log, &context(), &parts).await;
                assert_eq!(outcome.events, 1);
                sequences.push(outcome.sequence);
            }
            sequences
        }
    });
    let watched = server.log().await;
    let killer = async {
        for round in 1..=3 {
            stored_after(&watched, CREATED as u64 + round * 30).await;
            server.kill();
            server.up();
        }
    };
    let (sequences, ()) = tokio::join!(join_all(writers), killer);
    let mut sequences = sequences.concat();
    sequences.sort_unstable();
    let expected: Vec<_> = (CREATED as u64 + 1..).take(sequences.len()).collect();
    assert_eq!(
        sequences, expected,
        "each acknowledged command has its own event"
    );
    assert_eq!(verified(&log).await.len(), CREATED + expected.len());
}
