//! Damage behind the checkpoint, which nobody would meet otherwise.

use std::path::Path;

use eai_core::log::{Log, Position};
use eai_core::service::Command;
use eai_core::subject::ALL_EVENTS;
use eai_projections::Store;
use sqlx::Executor;
use tokio_util::sync::CancellationToken;

use super::events::{delete, delete_all, store};
use super::server::Server;
use super::support::{Running, ask, connect, database, new_data, new_service, services, within};

async fn folded(directory: &Path, log: &Log) -> Running {
    let running = Running::start(directory, log).await;
    running.caught_up(log).await;
    running
}

async fn scrub(store: &Store, log: &Log) -> Option<String> {
    let scrub = store.clone().scrub(log.clone(), CancellationToken::new());
    within("the scrub", scrub).await;
    store.views().halted()
}

#[tokio::test]
async fn a_clean_log_is_clean() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = folded(folder.path(), &log).await;
    assert_eq!(scrub(&running.store, &log).await, None, "an empty one");
    let web = new_service(&log, "web").await;
    ask(&log, web, Command::Stop).await;
    running.caught_up(&log).await;
    assert_eq!(scrub(&running.store, &log).await, None);
    assert_eq!(services(&running.views).await.unwrap(), 1);
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_is_gone_is_named() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let running = folded(folder.path(), &log).await;
    delete(&server.client().await, 4).await;
    new_service(&log, "api").await;
    running.caught_up(&log).await;
    assert_eq!(running.views.halted(), None, "nobody looked");
    let reason = scrub(&running.store, &log).await.unwrap();
    assert!(
        reason.contains("sequence 4") && reason.contains("restore"),
        "{reason}"
    );
    running.stop().await;
}

/// The same log, with one event changed that none follows in its aggregate.
#[tokio::test]
async fn a_changed_last_event_is_named() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let web = new_service(&log, "web").await;
    ask(&log, web, Command::Stop).await;
    new_data(&log, "files").await;
    folded(folder.path(), &log).await.stop().await;

    let client = server.client().await;
    let (events, _) = log.page(ALL_EVENTS, Position::START, 100).await.unwrap();
    delete_all(&client).await;
    let log = server.log().await;
    for event in &events {
        let mut text = String::from_utf8(event.payload.to_vec()).unwrap();
        if event.sequence == 7 {
            text = text.replace("user:", "User:");
        }
        let sequence = store(&client, event.subject.clone(), text).await;
        assert_eq!(sequence, event.sequence);
    }
    let running = folded(folder.path(), &log).await;
    let reason = scrub(&running.store, &log).await.unwrap();
    assert!(
        reason.contains("event 7") && reason.contains("eai server rebuild"),
        "{reason}"
    );
    running.stop().await;
}

#[tokio::test]
async fn views_that_lack_something_are_found() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    folded(folder.path(), &log).await.stop().await;
    let mut connection = connect(&database(folder.path())).await;
    let statement = "DELETE FROM heads WHERE aggregate LIKE '%.role.%'";
    connection.execute(statement).await.unwrap();
    drop(connection);
    let running = folded(folder.path(), &log).await;
    let reason = scrub(&running.store, &log).await.unwrap();
    assert!(reason.contains("lack 1 thing"), "{reason}");
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(scrub(&running.store, &log).await, None);
    running.stop().await;
}

#[tokio::test]
async fn it_ends_with_its_token_and_outlives_the_log_server() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let running = folded(folder.path(), &log).await;
    server.kill();
    let stop = CancellationToken::new();
    let stopped = tokio::spawn(running.store.clone().scrub(log.clone(), stop.clone()));
    let lasting = tokio::spawn(
        running
            .store
            .clone()
            .scrub(log.clone(), CancellationToken::new()),
    );
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished() && !lasting.is_finished());
    stop.cancel();
    within("the end", stopped).await.unwrap();
    server.up();
    delete(&server.client().await, 4).await;
    within("the scrub", lasting).await.unwrap();
    let reason = running.views.halted().unwrap();
    assert!(reason.contains("sequence 4"), "{reason}");
    running.stop().await;
}
