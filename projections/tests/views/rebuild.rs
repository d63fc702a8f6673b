//! A rebuild is made beside the views in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use eai_core::service::Command;
use eai_projections::open;
use sqlx::{AssertSqlSafe, Executor};

use super::events::delete;
use super::server::Server;
use super::support::{Running, ask, connect, database, dump, new_service, services, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_fail_and_never_see_fewer_rows() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    for index in 0..20 {
        new_service(&log, &format!("s{index}")).await;
    }
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;

    let (end, reads) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (views, end, reads) = (running.views.clone(), Arc::clone(&end), Arc::clone(&reads));
            tokio::spawn(async move {
                let (mut most, mut sequence) = (20, 0);
                while !end.load(Ordering::Relaxed) {
                    let now = services(&views).await.unwrap();
                    assert!(now >= most, "{now} after {most}");
                    most = now;
                    assert!(views.sequence() >= sequence);
                    sequence = views.sequence();
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut read = 0;
    for round in 0..8 {
        new_service(&log, &format!("t{round}")).await;
        let (log, store) = (log.clone(), running.store.clone());
        let rebuild = tokio::spawn(async move { store.rebuild(&log).await });
        within("a rebuild", rebuild).await.unwrap().unwrap();
        until("readers", || {
            (reads.load(Ordering::Relaxed) > read).then_some(())
        })
        .await;
        read = reads.load(Ordering::Relaxed);
    }
    end.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    running.caught_up(&log).await;
    assert_eq!(services(&running.views).await.unwrap(), 28);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_during_a_rebuild_are_in_it() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let web = new_service(&log, "web").await;
    let running = Running::start(folder.path(), &log).await;
    let store = running.store.clone();
    let rebuilds = tokio::spawn({
        let log = log.clone();
        async move {
            for _ in 0..5 {
                store.rebuild(&log).await.unwrap();
            }
        }
    });
    let mut round = 0;
    while !rebuilds.is_finished() || round % 2 == 1 {
        let command = [Command::Stop, Command::Start][round % 2].clone();
        assert_eq!(ask(&log, web, command).await, 1);
        round += 1;
        let last = log.last_sequence().await.unwrap();
        within(
            "the views",
            running.views.until(last, super::support::PATIENCE),
        )
        .await
        .unwrap();
        let row = running.views.service(web).await.unwrap().unwrap();
        let status = ["on", "off"][round % 2];
        assert_eq!(row.status.to_string(), status, "read your writes");
    }
    rebuilds.await.unwrap();
    assert_eq!(running.views.halted(), None);
    let live = dump(folder.path()).await;
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(dump(folder.path()).await, live);
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_that_broke_off_is_not_used() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    let used = database(folder.path());
    running.stop().await;
    // As a rebuild leaves it that was killed: tables, some rows, not finished.
    let newer = folder.path().join("views.9.db");
    let text = AssertSqlSafe(format!("VACUUM INTO '{}'", newer.display()));
    connect(&used).await.execute(text).await.unwrap();
    let mut connection = connect(&newer).await;
    for statement in ["DELETE FROM services", "PRAGMA user_version = 0"] {
        connection.execute(statement).await.unwrap();
    }
    drop(connection);
    let store = open(folder.path()).await.unwrap();
    assert_eq!(services(&store.views()).await.unwrap(), 1);
    assert_eq!(database(folder.path()), used, "it was removed");
}

#[tokio::test]
async fn a_rebuild_that_is_dropped_changes_nothing() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    for micros in [0, 100, 1000, 3000, 5000, 10_000, 20_000] {
        let moment = std::time::Duration::from_micros(micros);
        drop(tokio::time::timeout(moment, running.store.rebuild(&log)).await);
        assert_eq!(services(&running.views).await.unwrap(), 1);
    }
    new_service(&log, "api").await;
    running.caught_up(&log).await;
    let live = dump(folder.path()).await;
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(dump(folder.path()).await, live);
    running.stop().await;
}

/// Damage that a rebuild finds halts views that did not know of it.
#[tokio::test]
async fn a_rebuild_of_a_damaged_log_halts() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    delete(&server.client().await, 3).await;
    assert_eq!(running.views.halted(), None);
    running.store.rebuild(&log).await.unwrap_err();
    let reason = running.halted().await;
    assert!(reason.contains("sequence 3"), "{reason}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_being_made_keeps_no_rebuild_from_its_end() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let store = open(folder.path()).await.unwrap();
    // One is being made all the time.
    store.copy_every(1);
    let running = Running::of(store, &log);
    let commands = tokio::spawn({
        let log = log.clone();
        async move {
            for index in 0..60 {
                new_service(&log, &format!("s{index}")).await;
            }
        }
    });
    while !commands.is_finished() {
        within("a rebuild", running.store.rebuild(&log))
            .await
            .unwrap();
    }
    commands.await.unwrap();
    running.caught_up(&log).await;
    assert_eq!(services(&running.views).await.unwrap(), 60);
    let verified = running.store.verify(&log).await.unwrap();
    assert!(verified.differences.is_empty(), "{verified:?}");
    running.stop().await;
}
