//! Random histories: what commands were decided on, the views, the past and what is restored from an export say the same.

use eai_core::job::JobAggregate;
use eai_core::log::export::{Tally, line, recorded};
use eai_core::log::{Log, Position, Recorded};
use eai_core::service::ServiceAggregate;
use eai_core::subject::{ALL_EVENTS, Address};
use eai_projections::{JobFilter, Page, Scope, open};

use super::once::Random;
use super::server::Server;
use super::support::{Running, account, dump, dump_of, of_the_past};

/// How many commands a history has.
const STEPS: usize = 40;

/// The log as an export has it, read again.
async fn exported(log: &Log) -> Vec<Recorded> {
    let last = log.last_sequence().await.unwrap();
    let all = usize::try_from(last).unwrap();
    let (events, more) = log.page(ALL_EVENTS, Position::START, all).await.unwrap();
    assert!(!more && events.len() == all);
    let lines: Vec<Vec<u8>> = events
        .iter()
        .map(|event| line(event).into_owned())
        .collect();
    let read = (1..)
        .zip(&lines)
        .map(|(at, line)| recorded(at, line).unwrap());
    let read: Vec<Recorded> = read.collect();
    let (mut before, mut after) = (Tally::default(), Tally::default());
    for (event, again) in events.iter().zip(&read) {
        assert_eq!(
            (&event.subject, &event.payload),
            (&again.subject, &again.payload)
        );
        before.take(event).unwrap();
        after.take(again).unwrap();
    }
    assert_eq!(before.manifest(), after.manifest());
    read
}

/// What commands would be decided on is what the views show, at a sequence.
async fn states_are_as_shown(log: &Log, views: &eai_projections::Views, sequence: u64) {
    let page = Page {
        after: 0,
        limit: 1000,
    };
    let rows = views.services(&Scope::Account(account()), page).await;
    for row in rows.unwrap() {
        let address = Address::new(account(), "service", row.id);
        let folded = log.fold::<ServiceAggregate>(&address, sequence).await;
        let (state, changed) = folded.unwrap();
        let state = state.expect("a service that is shown was made");
        assert_eq!(state.status, row.status, "{} at {sequence}", row.id);
        assert_eq!(state.terms, row.terms, "{} at {sequence}", row.id);
        // What is told of its jobs changes the service, and is no news of its row.
        assert!(changed >= Some(row.updated_on), "{} at {sequence}", row.id);
        let serves = row.serving_revision.is_some();
        assert_eq!(state.serving.is_some(), serves, "{} at {sequence}", row.id);
        if serves && state.rollout.failed.is_none() {
            let newest = row.serving_revision == row.revision;
            assert_eq!(state.is_settled(), newest, "{} at {sequence}", row.id);
        }
    }
    let (scope, any) = (Scope::Account(account()), JobFilter::default());
    for row in views.jobs(&scope, &any, page).await.unwrap() {
        let address = Address::new(account(), "job", row.id);
        let (state, changed) = log.fold::<JobAggregate>(&address, sequence).await.unwrap();
        let state = state.expect("a job that is shown was submitted");
        let folded = (state.phase, state.run, state.ready, state.frozen);
        let shown = (row.state, row.run, row.ready, row.frozen);
        assert_eq!(folded, shown, "{} at {sequence}", row.id);
        assert_eq!(changed, Some(row.updated_on), "{} at {sequence}", row.id);
    }
}

async fn agrees(seed: u64) {
    let (first, second) = (Server::start(), Server::start());
    let folders = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = first.log().await;
    let store = open(folders.0.path()).await.unwrap();
    store.copy_every(20);
    let running = Running::of(store, &log);
    let mut random = Random::new(seed);
    for _ in 0..STEPS {
        random.step(&log).await;
    }
    let last = running.caught_up(&log).await;
    let events = exported(&log).await;

    // Event by event, so that the views in use were at every sequence once.
    let restored = second.log().await;
    let follower = Running::start(folders.1.path(), &restored).await;
    for event in &events {
        let sequence = event.sequence;
        restored
            .put_back(std::slice::from_ref(event))
            .await
            .unwrap();
        follower.caught_up(&restored).await;
        let were = of_the_past(dump(folders.1.path()).await);
        let past = running.store.at(&log, Position::Sequence(sequence)).await;
        let past = past.unwrap();
        assert_eq!(
            dump_of(past.path()).await,
            were,
            "seed {seed}, at {sequence}"
        );
        states_are_as_shown(&log, &past.views, sequence).await;
        states_are_as_shown(&restored, &follower.views, sequence).await;
    }
    assert_eq!(restored.last_sequence().await.unwrap(), last);
    let views = dump(folders.0.path()).await;
    assert_eq!(dump(folders.1.path()).await, views, "seed {seed}");
    for (running, log) in [(&running, &log), (&follower, &restored)] {
        let verified = running.store.verify(log).await.unwrap();
        assert!(verified.differences.is_empty(), "seed {seed}: {verified:?}");
    }
    follower.store.rebuild(&restored).await.unwrap();
    assert_eq!(dump(folders.1.path()).await, views, "seed {seed}");

    // It goes on alike, and what is there already is stored once.
    restored
        .put_back(&events[events.len() - 2..])
        .await
        .unwrap();
    assert_eq!(restored.last_sequence().await.unwrap(), last);
    restored.put_back(&events[..1]).await.unwrap_err();
    random.step(&restored).await;
    follower.caught_up(&restored).await;
    assert_eq!(follower.views.halted(), None);
    running.stop().await;
    follower.stop().await;
}

#[tokio::test]
async fn random_histories_agree_with_what_is_restored_from_them() {
    for seed in 1..=4 {
        agrees(seed).await;
    }
}
