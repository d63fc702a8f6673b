//! Damage halts the views, is named, and nothing is served from them.

use std::fs;
use std::path::Path;

use eai_core::digest::Digest;
use eai_core::log::Log;
use eai_core::service::Command;
use eai_projections::Error;
use serde_json::json;

use super::events::{Document, delete, delete_all, store};
use super::server::Server;
use super::support::{
    CREATED, PATIENCE, Running, ask, dump, end, new_data, new_service, services, within,
};

/// Halted, with a reason that has all the words; nothing is served and nothing waited for.
async fn halted(running: &Running, words: &[&str]) {
    let reason = running.halted().await;
    for word in words {
        assert!(reason.contains(word), "{word}: {reason}");
    }
    let error = services(&running.views).await.unwrap_err();
    assert!(matches!(error, Error::Halted { .. }), "{error:?}");
    let error = running.views.until(1, PATIENCE).await.unwrap_err();
    assert!(matches!(error, Error::Halted { .. }), "{error:?}");
    assert!(running.is_running(), "it waits for a rebuild");
}

async fn folded(directory: &Path, log: &Log) {
    let running = Running::start(directory, log).await;
    running.caught_up(log).await;
    running.stop().await;
}

#[tokio::test]
async fn views_ahead_of_the_log() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    folded(folder.path(), &log).await;
    delete_all(&server.client().await).await;
    let log = server.log().await;
    new_data(&log, "files").await;

    let running = Running::start(folder.path(), &log).await;
    let words = ["seen event 6", "ends at 2", "eai server rebuild"];
    halted(&running, &words).await;
    let error = running.store.check(&log).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch(_)), "{error:?}");

    let rebuilt = running.store.rebuild(&log).await.unwrap();
    assert_eq!((rebuilt.sequence, running.views.halted()), (2, None));
    assert_eq!(services(&running.views).await.unwrap(), 0);
    new_service(&log, "api").await;
    running.caught_up(&log).await;
    assert_eq!(services(&running.views).await.unwrap(), 1);
    running.stop().await;
}

#[tokio::test]
async fn views_of_another_log() {
    let (server, other) = (Server::start(), Server::start());
    let folder = tempfile::tempdir().unwrap();
    let (log, other) = (server.log().await, other.log().await);
    new_service(&other, "web").await;
    folded(folder.path(), &other).await;
    for name in ["a", "b"] {
        new_service(&log, name).await;
    }
    let running = Running::start(folder.path(), &log).await;
    let words = ["event 6 is not the one", "eai server rebuild"];
    halted(&running, &words).await;
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(services(&running.views).await.unwrap(), 2);
    running.stop().await;
}

/// The check alone halts, before the projector gets to it: nothing is added to the log in between.
#[tokio::test]
async fn a_check_that_fails_halts_at_once() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    folded(folder.path(), &log).await;
    delete_all(&server.client().await).await;
    let log = server.log().await;
    let store = eai_projections::open(folder.path()).await.unwrap();
    store.check(&log).await.unwrap_err();
    assert!(store.views().halted().is_some());
}

#[tokio::test]
async fn an_event_is_gone() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    new_service(&log, "api").await;
    delete(&server.client().await, 8).await;
    let running = Running::start(folder.path(), &log).await;
    halted(&running, &["1 event(s) from sequence 8", "restore"]).await;
    assert_eq!(running.views.sequence(), 7, "what came before is folded");
    let rows = dump(folder.path()).await;
    let folded = rows.iter().filter(|row| row.starts_with("events:")).count();
    assert_eq!(folded, 7);

    let error = running.store.rebuild(&log).await.unwrap_err();
    assert!(error.to_string().contains("sequence 8"), "{error}");
    halted(&running, &["sequence 8"]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_event_was_added_outside_the_platform() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let client = server.client().await;
    let web = new_service(&log, "web").await;
    let document = |prevhash| Document {
        id: web.to_string(),
        prevhash,
        ..Document::first("service", "stopped", json!({}))
    };
    document(Digest::of(b"x")).store(&client).await;
    let running = Running::start(folder.path(), &log).await;
    let words = ["event 7", "does not follow", "restore"];
    halted(&running, &words).await;
    assert_eq!(running.views.sequence(), CREATED);
    running.stop().await;
}

#[tokio::test]
async fn documents_that_do_not_belong_where_they_are() {
    let right = Document::first("service", "stopped", json!({}));
    let mut elsewhere = right.json();
    elsewhere["account"] = "snow.other".into();
    let mut of_another_kind = right.json();
    of_another_kind["subject"] = format!("role/{}", right.id).into();
    for (what, subject, payload) in [
        (
            "another aggregate",
            right.subject().replace(&right.id, "1"),
            right.json().to_string(),
        ),
        (
            "another event",
            right.subject().replace("stopped", "started"),
            right.json().to_string(),
        ),
        (
            "another account's subject",
            right.subject().replace("testacc", "other"),
            right.json().to_string(),
        ),
        ("another account", right.subject(), elsewhere.to_string()),
        ("another kind", right.subject(), of_another_kind.to_string()),
        (
            "no event's subject",
            "eai.event.x".to_owned(),
            right.json().to_string(),
        ),
    ] {
        let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
        let log = server.log().await;
        new_data(&log, "files").await;
        store(&server.client().await, subject, payload).await;
        let running = Running::start(folder.path(), &log).await;
        let reason = running.halted().await;
        assert!(reason.contains("event 3"), "{what}: {reason}");
        assert_eq!(running.views.sequence(), 2, "{what}");
        running.stop().await;
    }
}

/// A byte of the newest event changes on the disk while the server is down. The log is set up with it again.
fn flip_the_newest(server: &mut Server, down: fn(&mut Server)) {
    down(server);
    let block = server.block();
    let mut bytes = fs::read(&block).unwrap();
    let place = bytes
        .windows(7)
        .rposition(|bytes| bytes == b"stopped")
        .unwrap();
    bytes[place] ^= 1;
    fs::write(&block, bytes).unwrap();
    server.up();
}

/// No event behind it shows the gap, and the server does not mention it either.
#[tokio::test]
async fn the_newest_event_cannot_be_read() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let web = new_service(&log, "web").await;
    ask(&log, web, Command::Stop).await;
    let (known, fresh) = (folder.path().join("known"), folder.path().join("fresh"));
    folded(&known, &log).await;
    flip_the_newest(&mut server, Server::stop);
    assert_eq!(end(&log).await, CREATED + 1, "it is in the index");

    let running = Running::start(&known, &log).await;
    halted(&running, &["event 7", "cannot be read", "restore"]).await;
    let again = within("a rebuild", running.store.rebuild(&log)).await;
    assert!(again.unwrap_err().to_string().contains("event 7"));
    halted(&running, &["event 7", "cannot be read", "restore"]).await;
    running.stop().await;
    let running = Running::start(&fresh, &log).await;
    halted(&running, &["event 7", "cannot be read", "restore"]).await;
    assert_eq!(running.views.sequence(), CREATED);
    running.stop().await;
}

/// After a crash the server cuts its log at what it cannot read, and only who saw more can tell.
#[tokio::test]
async fn the_newest_event_is_cut_off() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let web = new_service(&log, "web").await;
    ask(&log, web, Command::Stop).await;
    folded(folder.path(), &log).await;
    flip_the_newest(&mut server, Server::kill);
    assert_eq!(end(&log).await, CREATED);

    let running = Running::start(folder.path(), &log).await;
    halted(
        &running,
        &["seen event 7", "ends at 6", "Restore", "eai server rebuild"],
    )
    .await;
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(services(&running.views).await.unwrap(), 1);
    running.stop().await;
}

/// The same to a projector that runs: it has seen what the log has no more.
#[tokio::test]
async fn the_log_is_cut_off_under_a_projector() {
    let (mut server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let web = new_service(&log, "web").await;
    ask(&log, web, Command::Stop).await;
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    flip_the_newest(&mut server, Server::kill);
    let reason = running.halted().await;
    assert!(reason.contains("seen event 7"), "{reason}");
    running.stop().await;
}
