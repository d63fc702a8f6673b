//! The views as they were: the same as those that were there then, whichever copy the fold begins at.

use std::fs;
use std::path::{Path, PathBuf};

use eai_core::log::{Log, Position};
use eai_projections::{Error, open};
use sqlx::Connection;
use time::{Duration, OffsetDateTime};

use super::once::Random;
use super::server::Server;
use super::support::{Running, closed, dump, dump_of, new_service, of_the_past, services, until};

/// Where the views were, and every row of theirs.
type Seen = (u64, Vec<String>);

/// Random histories, and what the views in use had after each command.
async fn history(log: &Log, running: &Running, directory: &Path, steps: usize) -> Vec<Seen> {
    let mut random = Random::new(7);
    let mut seen = Vec::new();
    for _ in 0..steps {
        random.step(log).await;
        let sequence = running.caught_up(log).await;
        seen.push((sequence, dump(directory).await));
    }
    seen
}

/// The copies that there are.
fn copies(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory.join("snapshots")) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "zst"))
        .collect();
    found.sort();
    found
}

async fn all_are_as_they_were(running: &Running, log: &Log, seen: &[Seen]) {
    for (sequence, rows) in seen {
        let past = running.store.at(log, Position::Sequence(*sequence)).await;
        let past = past.unwrap();
        assert_eq!(past.sequence, *sequence);
        assert_eq!(past.views.sequence(), *sequence);
        let then = of_the_past(rows.clone());
        assert_eq!(dump_of(past.path()).await, then, "at {sequence}");
    }
}

#[tokio::test]
async fn every_moment_is_as_it_was() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = Running::start(folder.path(), &log).await;
    let seen = history(&log, &running, folder.path(), 40).await;
    // A log this short has no copies: each is folded from the start.
    assert!(copies(folder.path()).is_empty());
    all_are_as_they_were(&running, &log, &seen).await;

    // In between as well, also in the middle of a command.
    let last = running.caught_up(&log).await;
    for sequence in 1..=last {
        let past = running.store.at(&log, Position::Sequence(sequence)).await;
        let rows = dump_of(past.unwrap().path()).await;
        let checkpoint = format!("checkpoint: 1 | {sequence} | ");
        assert!(
            rows.iter().any(|row| row.starts_with(&checkpoint)),
            "{rows:?}"
        );
    }
    let before_all = running.store.at(&log, Position::Sequence(0)).await.unwrap();
    assert_eq!(services(&before_all.views).await.unwrap(), 0);
    let refused = running.store.at(&log, Position::Sequence(last + 1)).await;
    assert!(matches!(refused, Err(Error::Future { .. })), "{refused:?}");

    // Rebuilt views say the same of the past.
    running.store.rebuild(&log).await.unwrap();
    all_are_as_they_were(&running, &log, &seen).await;
    assert_eq!(&dump(folder.path()).await, &seen.last().unwrap().1);
    running.stop().await;
}

#[tokio::test]
async fn copies_change_nothing_but_the_way() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let store = open(folder.path()).await.unwrap();
    store.copy_every(8);
    let running = Running::of(store, &log);
    let seen = history(&log, &running, folder.path(), 60).await;
    let made = || Some(copies(folder.path())).filter(|copies| copies.len() > 2);
    let made = until("copies", made).await;
    all_are_as_they_were(&running, &log, &seen).await;

    // A copy that is none, one that is cut off, and one of another log, are removed and not believed.
    let (garbage, cut, stranger) = (&made[0], &made[1], &made[2]);
    fs::write(garbage, "no copy").unwrap();
    let whole = fs::read(cut).unwrap();
    fs::write(cut, &whole[..whole.len() / 2]).unwrap();
    let unpacked = folder.path().join("unpacked.db");
    let rows = zstd::decode_all(fs::File::open(stranger).unwrap()).unwrap();
    fs::write(&unpacked, rows).unwrap();
    let mut other = super::support::connect(&unpacked).await;
    let forged = "UPDATE checkpoint SET digest = replace(digest, substr(digest, 1, 8), '00000000')";
    sqlx::query(forged).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let rows = fs::read(&unpacked).unwrap();
    fs::write(stranger, zstd::encode_all(&*rows, 1).unwrap()).unwrap();
    // What was answered a moment ago is answered again: ask for what was not.
    for _ in 0..2 {
        all_are_as_they_were(&running, &log, &seen).await;
    }
    for removed in [garbage, cut, stranger] {
        assert!(!removed.exists(), "{removed:?} of {made:?}");
    }

    // Whoever begins anew believes no copy of before.
    running.stop().await;
    closed(folder.path()).await;
    eai_projections::set_aside(folder.path()).unwrap();
    assert!(copies(folder.path()).is_empty());
    let running = Running::start(folder.path(), &log).await;
    running.caught_up(&log).await;
    all_are_as_they_were(&running, &log, &seen).await;
    running.stop().await;
}

#[tokio::test]
async fn a_time_is_the_last_event_before_it() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let log = server.log().await;
    let running = Running::start(folder.path(), &log).await;
    let before = OffsetDateTime::now_utc() - Duration::seconds(1);
    new_service(&log, "one").await;
    let first = running.caught_up(&log).await;
    new_service(&log, "two").await;
    let last = running.caught_up(&log).await;
    let at = async |time| running.store.at(&log, Position::Time(time)).await.unwrap();
    let decided = running
        .store
        .at(&log, Position::Sequence(first))
        .await
        .unwrap();
    let decided = decided.time.unwrap();
    let later = running
        .store
        .at(&log, Position::Sequence(last))
        .await
        .unwrap();
    let later = later.time.unwrap();
    assert_eq!(at(before).await.sequence, 0);
    assert_eq!(services(&at(later).await.views).await.unwrap(), 2);
    assert_eq!(at(later + Duration::days(1)).await.sequence, last);
    if decided < later {
        assert_eq!(at(decided).await.sequence, first);
        assert_eq!(services(&at(decided).await.views).await.unwrap(), 1);
    }

    // What nobody reads any more is gone, but for the last few.
    let left = || {
        let files = fs::read_dir(folder.path().join("past")).unwrap();
        let databases = files.filter(|file| {
            let path = file.as_ref().unwrap().path();
            path.extension().is_some_and(|end| end == "zst")
        });
        Some(databases.count()).filter(|count| *count <= 4)
    };
    until("old answers to be removed", left).await;
    running.stop().await;
}
