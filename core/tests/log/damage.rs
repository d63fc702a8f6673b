//! An event taken out, or one put in by somebody else: readers halt and name it, and nothing is decided on it.

use async_nats::HeaderMap;
use eai_core::log::{Chain, Error, Log, Position, Recorded};
use eai_core::service::{Command, ServiceAggregate};
use eai_core::subject::{ALL_EVENTS, Address};
use serde_json::{Value, json};

use super::server::{LONG, Server, open};
use super::support::{
    CREATED, account, created, damage, execute, on, read_to, service_of, toggle, within,
};

/// A service with ten events after its own, and another beside it.
async fn filled(server: &Server) -> (Log, [eai_core::ids::ServiceId; 2]) {
    let log = server.log().await;
    let service = service_of(created(&log, "web").await);
    toggle(&log, service, 10).await;
    let other = service_of(created(&log, "api").await);
    (log, [service, other])
}

const LAST: u64 = CREATED as u64 * 2 + 10;

async fn delete(server: &Server, sequence: u64) {
    let client = server.client().await;
    let subject = "$JS.API.STREAM.MSG.DELETE.EAI_EVENTS";
    let body = json!({ "seq": sequence, "no_erase": true }).to_string();
    let answer = client.request(subject, body.into()).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(answer["success"], true, "{answer}");
}

/// What a reader of the whole log says.
async fn chain_of(log: &Log, last: u64) -> Result<(), Error> {
    let mut chain = Chain::default();
    for event in read_to(log, last).await? {
        chain.follow(&event)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_event_halts_who_needs_it() {
    let server = Server::start();
    let (log, [service, other]) = filled(&server).await;
    let gone = CREATED as u64 + 4;
    delete(&server, gone).await;
    let said = damage(read_to(&log, LAST).await);
    assert!(said.contains(&gone.to_string()), "{said}");
    // A reader that stands before the gap, or begins in it.
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(gone));
    let said = damage(within("damage", subscription.next()).await);
    assert!(said.contains(&gone.to_string()), "{said}");
    let again = damage(within("damage", subscription.next()).await);
    assert_eq!(again, said, "it does not go on by being asked again");
    // Whoever has to read the aggregate finds the chain broken; others are not concerned.
    let fresh = open(server.connect().await, LONG).await;
    let said = damage(execute(&fresh, &on(service, Command::Stop)).await);
    assert!(said.contains(&(gone + 1).to_string()), "{said}");
    execute(&fresh, &on(other, Command::Stop)).await.unwrap();
    let address = Address::new(account(), "service", service);
    let said = damage(log.fold::<ServiceAggregate>(&address, LAST).await);
    assert!(said.contains(&(gone + 1).to_string()), "{said}");
    let (before, _) = log
        .fold::<ServiceAggregate>(&address, gone - 1)
        .await
        .unwrap();
    assert!(before.is_some(), "what is before the damage can be read");
}

#[tokio::test]
async fn a_deleted_newest_event_is_missed_by_who_saw_it() {
    let server = Server::start();
    let (log, [service, _]) = filled(&server).await;
    let newest = CREATED as u64 + 10;
    delete(&server, newest).await;
    let said = damage(execute(&log, &on(service, Command::Stop)).await);
    assert!(said.contains(&newest.to_string()), "{said}");
    assert!(damage(chain_of(&log, LAST).await).contains(&newest.to_string()));
    delete(&server, LAST).await;
    // The stream's very last: its sequence is not given again, so the next event shows the gap.
    execute(
        &log,
        &on(service_of(created(&log, "third").await), Command::Stop),
    )
    .await
    .unwrap();
    assert!(damage(read_to_from(&log, LAST).await).contains(&LAST.to_string()));
}

async fn read_to_from(log: &Log, from: u64) -> Result<Recorded, Error> {
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(from));
    within("an event", subscription.next()).await
}

#[tokio::test]
async fn an_event_from_outside_breaks_the_chain() {
    let server = Server::start();
    let (log, [service, other]) = filled(&server).await;
    let newest = log.get(CREATED as u64 + 10).await.unwrap().unwrap();
    // The right place and form, by someone who may write but does not know the hash of what came before.
    let mut document: Value = serde_json::from_slice(&newest.payload).unwrap();
    document["id"] = json!(uuid::Uuid::new_v4());
    let client = server.client().await;
    let acknowledged = client
        .request_with_headers(
            newest.subject.clone(),
            HeaderMap::new(),
            document.to_string().into(),
        )
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(&acknowledged.payload).unwrap();
    let foreign = answer["seq"].as_u64().unwrap();
    assert_eq!(foreign, LAST + 1);
    assert!(damage(chain_of(&log, foreign).await).contains(&foreign.to_string()));
    for log in [&log, &open(server.connect().await, LONG).await] {
        let said = damage(execute(log, &on(service, Command::Stop)).await);
        assert!(said.contains(&foreign.to_string()), "{said}");
        execute(log, &on(other, Command::Start)).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_event_stops_nothing() {
    let server = Server::start();
    let (log, [service, _]) = filled(&server).await;
    let subject = Address::new(account(), "service", service).event("stopped");
    let client = server.client().await;
    for bytes in ["{}", "hello", ""] {
        client.request(subject.clone(), bytes.into()).await.unwrap();
    }
    // Whoever knows the aggregate, and whoever reads it for the first time, goes on behind it.
    for (log, command) in [
        (log.clone(), Command::Stop),
        (open(server.connect().await, LONG).await, Command::Start),
    ] {
        let outcome = execute(&log, &on(service, command)).await.unwrap();
        assert_eq!(outcome.events, 1);
    }
    chain_of(&log, LAST + 5).await.unwrap();
    let address = Address::new(account(), "service", service);
    let folded = log
        .fold::<ServiceAggregate>(&address, LAST + 5)
        .await
        .unwrap();
    assert_eq!(folded.0.unwrap().status.to_string(), "on");
}

#[tokio::test]
async fn a_checkpoint_beyond_the_end_halts() {
    let server = Server::start();
    let (log, _) = filled(&server).await;
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(LAST + 2));
    let said = damage(within("damage", subscription.next()).await);
    assert!(
        said.contains(&LAST.to_string()) && said.contains(&(LAST + 1).to_string()),
        "{said}"
    );
}
