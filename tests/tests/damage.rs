//! Stored bytes that are not what was written: noticed, named, and nothing is built on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eai_tests::{
    Answer, Api, Backend, Platform, Service, Setup, Stored, StoredEvent, until, within,
};
use reqwest::Method;
use serde_json::json;

// === what a test does and sees ===

/// A platform with services, and its API; the token outlives restarts.
fn with_services(names: &[&str]) -> (Platform, Api) {
    let platform = Platform::start();
    let api = Api::of(&platform);
    make(&platform, names);
    (platform, api)
}

fn make(platform: &Platform, names: &[&str]) {
    for name in names {
        platform.cli(["service", "new", name]).ok();
    }
}

#[track_caller]
fn assert_services(platform: &Platform, names: &[&str]) {
    let listed = platform.cli(["service", "ls", "--field", "name"]).ok();
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
}

/// What `/readyz` says, as soon as it does not say that it starts.
async fn readiness(api: &Api) -> Answer {
    let asking = async {
        loop {
            let asked = Answer::try_of(api.request(Method::GET, "/readyz")).await;
            match asked {
                Ok(answer) if answer.text() != "starting\n" => return answer,
                // It does not listen yet.
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    within("the platform to answer", asking).await
}

/// Waits until the platform is not ready, and why.
async fn unready(api: &Api) -> String {
    let asking = async {
        loop {
            let answer = readiness(api).await;
            if answer.status == 503 {
                return answer.text();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the platform to halt", asking).await
}

/// Nothing is served, no command is taken, and nothing is stored: not by them, and not by the start itself.
async fn is_halted(platform: &Platform, api: &Api, last: u64) {
    let unavailable = (503, "views-halted".to_owned());
    assert_eq!(api.get("/v1/service").await.refused(), unavailable);
    assert_eq!(api.get("/v1/service/one").await.refused(), unavailable);
    assert_eq!(api.get("/v1/me").await.refused(), unavailable);
    let late = json!({"name": "late"});
    let made = api.create("/v1/service", &late, None).await;
    assert_eq!(made.refused(), unavailable);
    let stopped = api.post("/v1/service/one/stop", None).await;
    assert_eq!(stopped.refused(), unavailable);
    assert_eq!(Stored::of(platform).await.last().await, last);
    let info = api.get("/v1/server").await.ok();
    assert_eq!(
        info["dataDirectory"],
        platform.data().to_str().expect("a path")
    );
    assert_eq!(api.get("/livez").await.status, 200);
}

/// The files that hold the log, in order.
fn blocks(platform: &Platform) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "blk")
                && path
                    .ancestors()
                    .any(|folder| folder.ends_with("EAI_EVENTS"))
            {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&platform.data().join("nats/js"), &mut found);
    found.sort();
    assert!(!found.is_empty(), "there is a log");
    found
}

/// Flips a bit in the only event that has this text in its document.
fn flip(platform: &Platform, text: &str) {
    for block in blocks(platform) {
        let mut bytes = fs::read(&block).expect("a block");
        let place = bytes
            .windows(text.len())
            .position(|found| found == text.as_bytes());
        if let Some(place) = place {
            bytes[place + text.len() / 2] ^= 1;
            fs::write(&block, bytes).expect("a block");
            return;
        }
    }
    panic!("no event has {text}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}

fn replace(views: &Path, by: &Path) {
    fs::remove_dir_all(views).expect("views");
    copy(by, views);
}

/// The sequence of the first event behind `after` of a kind.
async fn sequence_of(platform: &Platform, kind: &str, text: &str) -> u64 {
    let events = Stored::of(platform).await.after(0).await;
    let event = events.iter().find(|event| {
        event.kind() == kind && String::from_utf8_lossy(&event.payload).contains(text)
    });
    event.expect("such an event").sequence
}

/// Ends it as its user would. The answer is the last event of the log that it leaves: an executor that
/// had started says that it ended.
async fn ended(platform: &mut Platform) -> u64 {
    let stored = Stored::of(platform).await;
    let events = stored.after(0).await;
    let of_executor = |event: &&StoredEvent| event.kind().starts_with("eai.executor.");
    let newest = events.iter().rev().find(of_executor);
    let runs = newest.is_some_and(|event| event.kind() == "eai.executor.started.v1");
    assert_eq!(platform.stop(), 0);
    events.len() as u64 + u64::from(runs)
}

/// Waits until its executor takes jobs.
fn takes_jobs(platform: &Platform) {
    until("an executor", || {
        let state = platform.cli(["executor", "ls", "--field", "state"]).ok();
        (state == "active").then_some(()).ok_or(state)
    });
}

// === the log ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_named_and_nothing_is_built_on_it() {
    let (mut platform, api) = with_services(&["one", "two", "three"]);
    let created = sequence_of(&platform, "eai.service.created.v1", "\"name\":\"two\"").await;
    let last = ended(&mut platform).await;
    flip(&platform, "\"name\":\"two\"");
    platform.spawn();
    let reason = unready(&api).await;
    let words = format!("1 event(s) from sequence {created}");
    assert!(
        reason.contains(&words) && reason.contains("damaged"),
        "{reason}"
    );
    is_halted(&platform, &api, last).await;

    let ls = platform.run(&["service", "ls"], &[("EAI_RETRY_FOR", "0s")]);
    assert_eq!(ls.code, 1);
    assert!(
        ls.err.contains("views-halted") && ls.err.contains(&words),
        "{}",
        ls.err
    );
    let rebuild = platform.run(&["server", "rebuild"], &[("EAI_RETRY_FOR", "0s")]);
    assert_eq!(rebuild.code, 1, "other views would not help");
    assert!(rebuild.err.contains(&words), "{}", rebuild.err);
    is_halted(&platform, &api, last).await;
    assert_eq!(platform.stop(), 0);
}

/// A crash takes the server's own index along: it then cuts its log at what it cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_after_a_crash() {
    let (mut platform, api) = with_services(&["one", "two", "three"]);
    platform.kill();
    platform.kill_nats();
    flip(&platform, "\"name\":\"two\"");
    platform.spawn();
    let reason = unready(&api).await;
    assert!(reason.contains("event"), "{reason}");
    let last = Stored::of(&platform).await.last().await;
    is_halted(&platform, &api, last).await;
    assert_eq!(platform.stop(), 0);
}

/// The first events are read before anything is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_what_the_platform_begins_with() {
    let (mut platform, api) = with_services(&["one"]);
    let last = ended(&mut platform).await;
    flip(
        &platform,
        "\"fullName\":\"snow.testacc\",\"organizationId\"",
    );
    platform.spawn();
    let reason = unready(&api).await;
    assert!(reason.contains("event"), "{reason}");
    is_halted(&platform, &api, last).await;
    assert_eq!(platform.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_event_cannot_be_read() {
    let (mut platform, api) = with_services(&["one"]);
    let last = ended(&mut platform).await;
    // The executor's word is the last of a platform that was stopped.
    flip(&platform, "eai.executor.stopped.v1");
    // Nobody remembers it: the views are gone as well.
    fs::remove_dir_all(platform.data().join("views")).unwrap();
    platform.spawn();
    let reason = unready(&api).await;
    let words = format!("event {last}");
    assert!(reason.contains(&words), "{reason}");
    is_halted(&platform, &api, last).await;
    assert_eq!(platform.stop(), 0);
}

/// Cuts the log's file in the middle of the last event but one.
fn cut(platform: &Platform) {
    let block = blocks(platform).pop().expect("a block");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&block)
        .expect("a block");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - 1000).expect("a cut");
}

fn with_stopped_services() -> (Platform, Api) {
    let (platform, api) = with_services(&["one", "two"]);
    platform.cli(["service", "stop", "one"]).ok();
    platform.cli(["service", "stop", "two"]).ok();
    (platform, api)
}

/// The server's index still has the events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_is_named() {
    let (mut platform, api) = with_stopped_services();
    let last = ended(&mut platform).await;
    cut(&platform);
    platform.spawn();
    let reason = unready(&api).await;
    // The cut goes through the last but one: whichever reader is first names one of the two.
    let named = [last - 1, last]
        .iter()
        .any(|event| reason.contains(&format!("event {event}")));
    assert!(named && reason.contains("cannot be read"), "{reason}");
    is_halted(&platform, &api, last).await;
    assert_eq!(platform.stop(), 0);
}

/// Without its index the server takes the log for a shorter one, and would use the sequences again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_events_at_the_end_are_named_and_a_rebuild_accepts_them() {
    let (mut platform, api) = with_stopped_services();
    let last = Stored::of(&platform).await.last().await;
    platform.kill();
    platform.kill_nats();
    cut(&platform);
    platform.spawn();
    let reason = unready(&api).await;
    for words in [format!("event {last}"), "eai server rebuild".to_owned()] {
        assert!(reason.contains(&words), "{words}: {reason}");
    }
    let left = Stored::of(&platform).await.last().await;
    assert!(left < last, "{left} of {last}");
    is_halted(&platform, &api, left).await;

    // Whoever has no copy goes on with what is left, and clients that saw more are served again.
    let rebuilt = platform.cli(["server", "rebuild", "--field", "sequence"]);
    assert_eq!(rebuilt.ok(), left.to_string());
    assert_eq!(readiness(&api).await.status, 200);
    assert_services(&platform, &["one", "two"]);
    make(&platform, &["three"]);
    assert_services(&platform, &["one", "two", "three"]);
    assert_eq!(platform.stop(), 0);
    platform.up();
    assert_services(&platform, &["one", "two", "three"]);
}

// === the views ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_views_catches_up() {
    let (mut platform, api) = with_services(&["one"]);
    let (views, older) = (platform.data().join("views"), platform.path("older"));
    assert_eq!(platform.stop(), 0);
    copy(&views, &older);
    platform.up();
    make(&platform, &["two"]);
    platform.cli(["service", "stop", "one"]).ok();
    assert_eq!(platform.stop(), 0);
    replace(&views, &older);
    platform.up();
    assert_services(&platform, &["one", "two"]);
    let status = platform.cli(["service", "get", "one", "--field", "status"]);
    assert_eq!(status.ok(), "off");
    assert_eq!(readiness(&api).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_that_are_gone_are_folded_anew() {
    let (mut platform, _) = with_services(&["one", "two"]);
    assert_eq!(platform.stop(), 0);
    fs::remove_dir_all(platform.data().join("views")).unwrap();
    platform.up();
    assert_services(&platform, &["one", "two"]);
    assert_eq!(platform.stop(), 0);
    for entry in fs::read_dir(platform.data().join("views")).unwrap() {
        fs::write(entry.unwrap().path(), "garbage ".repeat(500)).unwrap();
    }
    platform.up();
    assert_services(&platform, &["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_of_another_platform_are_named_and_a_rebuild_mends_them() {
    let (mut platform, api) = with_services(&["one", "two"]);
    let (mut shorter, _) = with_services(&["three"]);
    let (mut longer, _) = with_services(&["four", "five", "six"]);
    let views = platform.data().join("views");
    let mut last = ended(&mut platform).await;
    assert_eq!((shorter.stop(), longer.stop()), (0, 0));
    for (other, words) in [
        (&shorter, "is not the one that the views have seen"),
        (&longer, "but the log ends at"),
    ] {
        replace(&views, &other.data().join("views"));
        platform.spawn();
        let reason = unready(&api).await;
        assert!(
            reason.contains(words) && reason.contains("eai server rebuild"),
            "{reason}"
        );
        is_halted(&platform, &api, last).await;
        let rebuilt = platform.cli(["server", "rebuild", "--field", "events"]);
        assert_eq!(rebuilt.ok(), last.to_string());
        assert_eq!(readiness(&api).await.status, 200);
        assert_services(&platform, &["one", "two"]);
        takes_jobs(&platform);
        last = ended(&mut platform).await;
    }
    // The same with the platform stopped.
    replace(&views, &longer.data().join("views"));
    let data = platform.data();
    let data = data.to_str().unwrap();
    platform.cli(["server", "rebuild", "--data-dir", data]).ok();
    platform.up();
    assert_services(&platform, &["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_run_again_once_the_views_are_rebuilt() {
    let mut platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    let mut other = Platform::start();
    assert_eq!((platform.stop(), other.stop()), (0, 0));
    replace(&platform.data().join("views"), &other.data().join("views"));
    platform.spawn();
    unready(&api).await;
    platform.cli(["server", "rebuild"]).ok();
    takes_jobs(&platform);
    // The run that went on meanwhile is taken up, and new ones are begun.
    assert_eq!(service.get("/").await.status, 200);
    assert_eq!(service.only_job().await["run"], 0);
    let second = Service::web(&platform, "second", &[]);
    assert_eq!(second.get("/").await.status, 200);
    assert_eq!(platform.stop(), 0);
}

// === nothing wrong ===

#[test]
fn an_intact_restart_says_so() {
    let mut platform = Platform::start_with(Setup::default());
    make(&platform, &["one"]);
    assert_eq!(platform.stop(), 0);
    platform.up();
    until("the scrub", || {
        let log = platform.log();
        log.contains("log.scrubbed").then_some(()).ok_or(log)
    });
    assert!(!platform.log().contains("views.halted"));
    assert_services(&platform, &["one"]);
    assert_eq!(platform.stop(), 0);
}
