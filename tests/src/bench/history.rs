//! The suite `history`: a long log that is folded, looked at in its middle and verified, and one thing with a long history.

use std::path::Path;
use std::time::{Duration, Instant};

use eai_core::ids::ServiceId;
use eai_core::log::{Log, Position};
use eai_core::service::ServiceAggregate;
use eai_core::subject::Address;
use eai_projections::{Store, open};
use tokio_util::sync::CancellationToken;

use super::commands::account;
use super::server::Server;
use super::{Size, events, memory, report};

/// How long the whole log may take to be folded.
const PATIENCE: Duration = Duration::from_hours(1);

/// What was measured, with this process's memory at its peak.
struct Row {
    what: String,
    time: Duration,
    peak: u64,
}

pub(crate) async fn run(size: Size) {
    let server = Server::start();
    // Makes the stream as well.
    let log = server.log().await;
    let client = server.connect().await.client().clone();
    let (events, bytes, longest) = events::fill_history(client, size.history).await;
    memory::forget_peak();
    let before = memory::of("self").0;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path()).await.expect("views");
    let mut rows = vec![folded(&store, &log, events).await];
    let rebuild = async {
        let rebuilt = store.rebuild(&log).await.expect("a rebuild");
        assert_eq!(rebuilt.sequence, events);
    };
    rows.push(measured("rebuild", rebuild).await);
    for (part, name) in [(2, "the middle"), (4, "a quarter"), (3, "a third")] {
        let at = Position::Sequence(events / part);
        let past = async { drop(store.at(&log, at).await.expect("the past")) };
        rows.push(measured(&format!("--at in {name}"), past).await);
    }
    let verify = async {
        let verified = store.verify(&log).await.expect("a verification");
        assert!(verified.differences.is_empty(), "{verified:?}");
    };
    rows.push(measured("verify", verify).await);
    // The first writes the snapshot that the second begins with.
    let kept = folder.path().join("kept");
    for (from, snapshots) in [("the log", kept.clone()), ("its snapshot", kept.clone())] {
        let what = format!("a service of {} events, from {from}", longest.1);
        let log = server.log_with(Some(snapshots)).await;
        rows.push(measured(&what, load(&log, longest.0)).await);
        wait_for_file(&kept);
    }
    let shown: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let time = format!("{:.0} ms", row.time.as_secs_f64() * 1000.0);
            vec![row.what.clone(), time, format!("{} MiB", row.peak)]
        })
        .collect();
    let title = format!("history of {events} events of {bytes} bytes; {before} MiB before");
    report::table(&title, &["", "time", "peak"], &shown);
}

async fn measured(what: &str, doing: impl Future<Output = ()>) -> Row {
    memory::forget_peak();
    let start = Instant::now();
    doing.await;
    let time = start.elapsed();
    let peak = memory::of("self").1;
    let what = what.to_owned();
    Row { what, time, peak }
}

/// The views as a platform folds them that finds a log.
async fn folded(store: &Store, log: &Log, events: u64) -> Row {
    let stop = CancellationToken::new();
    let projector = tokio::spawn(store.projector(log.clone()).run(stop.clone()));
    let views = store.views();
    let all = async { views.until(events, PATIENCE).await.expect("the views") };
    let row = measured("fold, with copies for --at", all).await;
    stop.cancel();
    projector.await.expect("the projector ends");
    row
}

/// Until a folder has a file that is whole.
fn wait_for_file(folder: &Path) {
    eai_tests::until("a snapshot", || {
        let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let found = entries.any(|entry| entry.path().extension().is_none());
        found.then_some(()).ok_or("none")
    });
}

/// The state of one thing, as a process has it that never saw it.
async fn load(log: &Log, service: ServiceId) {
    let address = Address::new(account(), "service", service);
    let state = log.state::<ServiceAggregate>(&address).await;
    assert!(state.expect("a state").is_some());
}
