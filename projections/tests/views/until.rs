//! Waiting for the views.

use std::time::{Duration, Instant};

use eai_projections::{Error, open};

use super::events::delete;
use super::server::Server;
use super::support::{CREATED, PATIENCE, Running, new_service, within};

#[tokio::test]
async fn it_returns_as_soon_as_the_sequence_is_in() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = Running::start(folder.path(), &log).await;
    let views = running.views.clone();
    let waiting = tokio::spawn(async move { views.until(CREATED, PATIENCE).await });
    new_service(&log, "web").await;
    within("the views", waiting).await.unwrap().unwrap();
    let start = Instant::now();
    running.views.until(CREATED, PATIENCE).await.unwrap();
    running.views.until(0, Duration::ZERO).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "it is there");
    running.stop().await;
}

#[tokio::test]
async fn it_says_how_far_the_views_are_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path()).await.unwrap().views();
    let deadline = Duration::from_millis(20);
    let error = within("an answer", views.until(3, deadline)).await;
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Behind {
                wanted: 3,
                reached: 0
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("ask again"), "{error}");
}

#[tokio::test]
async fn a_halt_ends_the_wait() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    delete(&server.client().await, 3).await;
    let running = Running::of(open(folder.path()).await.unwrap(), &log);
    let waited = within("an answer", running.views.until(CREATED, PATIENCE)).await;
    let Err(Error::Halted { reason }) = waited else {
        panic!("{waited:?}");
    };
    assert!(reason.contains("sequence 3"), "{reason}");
    running.stop().await;
}
