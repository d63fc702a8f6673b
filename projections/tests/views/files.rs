//! What is done about the files under `views/`.

use std::fs;
use std::path::Path;

use eai_core::log::Log;
use eai_projections::{Error, open};
use sqlx::Executor;

use super::server::Server;
use super::support::{Running, closed, connect, database, dump, new_service, services, until};

/// What was done to a database, and how.
type Spoil = (&'static str, fn(&Path));

async fn folded(directory: &Path, log: &Log) -> Vec<String> {
    let running = Running::start(directory, log).await;
    running.caught_up(log).await;
    assert_eq!(running.views.halted(), None);
    running.stop().await;
    let rows = dump(directory).await;
    // A connection closes in a thread of its own, and takes the files beside the database with it by their
    // names: those of the next database as well.
    until("its files closed", || is_closed(directory).then_some(())).await;
    rows
}

/// Whether this process has no file under the directory open.
fn is_closed(directory: &Path) -> bool {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .all(|open| !open.starts_with(directory))
}

#[tokio::test]
async fn views_that_cannot_be_used_are_folded_anew() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let before = folded(folder.path(), &log).await;
    let spoil: [Spoil; 5] = [
        ("deleted", |path| fs::remove_file(path).unwrap()),
        ("no database", |path| {
            fs::write(path, "garbage ".repeat(1000)).unwrap();
        }),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("a header only", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..512]).unwrap();
        }),
        ("a folder without it", |path| {
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }),
    ];
    for (what, spoil) in spoil {
        spoil(&database(folder.path()));
        assert_eq!(folded(folder.path(), &log).await, before, "{what}");
    }
    for statement in [
        "PRAGMA user_version = 99",
        "PRAGMA user_version = 0",
        "UPDATE checkpoint SET digest = 'nonsense'",
        "UPDATE checkpoint SET sequence = -1",
        "DROP TABLE checkpoint",
    ] {
        let mut connection = connect(&database(folder.path())).await;
        connection.execute(statement).await.unwrap();
        drop(connection);
        assert_eq!(folded(folder.path(), &log).await, before, "{statement}");
    }
    drop(open(folder.path()).await.unwrap());
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert!(left <= 3, "old generations are removed: {left}");
}

#[tokio::test]
async fn views_set_aside_are_gone() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    let before = folded(folder.path(), &log).await;
    closed(folder.path()).await;
    eai_projections::set_aside(folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(folded(folder.path(), &log).await, before);
    eai_projections::set_aside(&folder.path().join("nothing")).unwrap();
}

/// A page in the middle of the file is overwritten while it is in use.
#[tokio::test]
async fn a_broken_file_halts_its_readers_and_a_rebuild_mends_it() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    for index in 0..10 {
        new_service(&log, &format!("web{index}")).await;
    }
    folded(folder.path(), &log).await;
    let path = database(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    // The first page stays, so that it is a database of the right version.
    bytes[4096..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let Ok(store) = open(folder.path()).await else {
        panic!("it opens, or is set aside")
    };
    let running = Running::of(store, &log);
    // Whatever was tried first found it: the checkpoint as it was opened, the projector, or a reader.
    let answer = services(&running.views).await;
    match answer {
        Ok(_) => drop(running.caught_up(&log).await),
        Err(Error::Halted { reason }) => {
            assert!(reason.contains("eai server rebuild"), "{reason}");
            running.store.rebuild(&log).await.unwrap();
        }
        Err(other) => panic!("{other:?}"),
    }
    assert_eq!(running.views.halted(), None);
    assert_eq!(services(&running.views).await.unwrap(), 10);
    running.stop().await;
}

#[tokio::test]
async fn a_missing_table_halts_with_advice() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    new_service(&log, "web").await;
    folded(folder.path(), &log).await;
    let mut connection = connect(&database(folder.path())).await;
    connection.execute("DROP TABLE services").await.unwrap();
    drop(connection);
    let running = Running::start(folder.path(), &log).await;
    let Err(Error::Halted { reason }) = services(&running.views).await else {
        panic!("nothing is served");
    };
    assert!(
        reason.contains("services") && reason.contains("eai server rebuild"),
        "{reason}"
    );
    running.store.rebuild(&log).await.unwrap();
    assert_eq!(services(&running.views).await.unwrap(), 1);
    running.stop().await;
}

/// A lock stands for what may pass.
#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = Running::start(folder.path(), &log).await;
    new_service(&log, "web").await;
    running.caught_up(&log).await;
    let mut other = connect(&database(folder.path())).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    new_service(&log, "api").await;
    assert_eq!(services(&running.views).await.unwrap(), 1);
    other.execute("ROLLBACK").await.unwrap();
    running.caught_up(&log).await;
    assert_eq!(services(&running.views).await.unwrap(), 2);
    assert!(running.is_running());
    running.stop().await;
}
