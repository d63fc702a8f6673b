//! Long histories come from a snapshot, and from the log alone where that is missing, damaged or of another log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use eai_core::command::Context;
use eai_core::ids::{CommandId, PlatformId, RoleId};
use eai_core::log::{Connection, Error, Log, Settings, set_up};
use eai_core::role::{self, RoleAggregate};
use eai_core::subject::Address;
use uuid::Uuid;

use super::server::{MAX_BYTES, Server};
use super::support::{
    Parts, account, add_member, context, context_of, created, execute, new_service, role_of, stir,
    until,
};

/// More than lie between two snapshots, and an odd number: one member is left.
const CHANGES: u64 = 1101;
/// Less than a tenth of what the events are, and more than a snapshot needs beside itself.
const LITTLE: u64 = 100_000;

async fn open(server: &Server, folder: Option<&Path>) -> Log {
    let settings = Settings {
        snapshots: folder.map(Into::into),
        ..Settings::new(PlatformId(Uuid::from_u128(1)), Duration::from_mins(1))
    };
    let connection = server.connect().await;
    set_up(&connection, MAX_BYTES).await.unwrap();
    Log::open(connection, settings).await.unwrap()
}

async fn role(log: &Log, id: RoleId) -> role::State {
    let address = Address::new(account(), "role", id);
    let state = log.state::<RoleAggregate>(&address).await;
    state.unwrap()
}

/// The bytes that came from the server while something was done.
async fn received<T>(connection: &Connection, doing: impl Future<Output = T>) -> (T, u64) {
    let statistics = connection.client().statistics();
    let count = || statistics.in_bytes.load(Ordering::Relaxed);
    let before = count();
    let done = doing.await;
    (done, count() - before)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_none()).collect()
}

/// A role with a long history, the snapshot of it, and one of its commands.
async fn long(log: &Log, folder: &Path, id: CommandId) -> (PathBuf, Context, Parts) {
    let role = role_of(id);
    let (first, parts) = (context(), stir(role, 0));
    log.execute(&first, &parts).await.unwrap();
    for number in 1..CHANGES {
        execute(log, &stir(role, number.into())).await.unwrap();
    }
    let file = until("a snapshot", || files(folder).pop().ok_or("none"));
    (file, first, parts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_history_comes_from_its_snapshot() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let log = open(&server, Some(folder.path())).await;
    let id = created(&log, "web").await;
    let (_, first, parts) = long(&log, folder.path(), id).await;
    let state = role(&log, role_of(id)).await;
    assert_eq!(state.as_ref().unwrap().members.len(), 1);

    let whole = open(&server, None).await;
    let read = received(whole.connection(), role(&whole, role_of(id))).await;
    assert_eq!(read.0, state);
    assert!(read.1 > 10 * LITTLE, "{} bytes", read.1);

    let short = open(&server, Some(folder.path())).await;
    let read = received(short.connection(), role(&short, role_of(id))).await;
    assert_eq!(read.0, state);
    assert!(read.1 < 2 * LITTLE, "{} bytes", read.1);

    // What was done before it is known, and not done again.
    let again = short.execute(&first, &parts).await.unwrap();
    assert_eq!((again.repeated, again.sequence), (true, 7));
    let another = stir(role_of(id), 1);
    let reused = short.execute(&first, &another).await;
    assert!(matches!(reused, Err(Error::CommandIdReused(_))));
    // It goes on from there, with the chain that a reader checks.
    let added = execute(&short, &add_member(role_of(id), 1 << 70)).await;
    assert_eq!(added.unwrap().events, 1);
    let fresh = open(&server, None).await;
    let read = role(&fresh, role_of(id)).await;
    assert_eq!(read, role(&short, role_of(id)).await);

    // The past is the same with it and without it, and short where the snapshot is older.
    let address = Address::new(account(), "role", role_of(id));
    let last = short.last_sequence().await.unwrap();
    for at in [1, 7, 500, last - 1, last] {
        let by_log = whole.fold::<RoleAggregate>(&address, at).await.unwrap();
        let folded = short.fold::<RoleAggregate>(&address, at);
        let (by_snapshot, bytes) = received(short.connection(), folded).await;
        assert_eq!(by_snapshot.unwrap(), by_log, "at {at}");
        assert!(at < last - 1 || bytes < 2 * LITTLE, "{bytes} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_snapshot_is_believed_that_does_not_fit() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let log = open(&server, Some(folder.path())).await;
    let id = created(&log, "web").await;
    let (file, ..) = long(&log, folder.path(), id).await;
    let state = role(&log, role_of(id)).await;
    let good = fs::read(&file).unwrap();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let half = good.len() / 2;
    for bad in [
        Vec::new(),
        vec![b'\n'; 40],
        good[..half].to_vec(),
        changed(20),
        changed(half),
        changed(good.len() - 1),
    ] {
        fs::write(&file, &bad).unwrap();
        let other = open(&server, Some(folder.path())).await;
        assert_eq!(role(&other, role_of(id)).await, state);
        // What was read instead is kept.
        until("a snapshot", || {
            let is_new = fs::read(&file).unwrap() != bad;
            is_new.then_some(()).ok_or("still the bad one")
        });
    }
    // The snapshot of one thing is none of another, wherever it lies.
    fs::write(&file, &good).unwrap();
    let second = created(&log, "other").await;
    let filter = Address::new(account(), "role", role_of(second)).filter();
    let place = eai_core::digest::Digest::of(filter.as_bytes()).to_string();
    fs::copy(&file, folder.path().join(place)).unwrap();
    let other = open(&server, Some(folder.path())).await;
    assert_eq!(role(&other, role_of(second)).await.unwrap().members, []);

    // Another log has the same role, and another history of it.
    let server = Server::start();
    let log = open(&server, Some(folder.path())).await;
    let parts = new_service(id, "web");
    log.execute(&context_of(id), &parts).await.unwrap();
    let other = open(&server, Some(folder.path())).await;
    assert_eq!(role(&other, role_of(id)).await.unwrap().members, []);
}
