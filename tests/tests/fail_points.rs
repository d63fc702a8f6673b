//! The platform, or its NATS, dies at each place of a job's life: one job all the same, no run begun twice, and the
//! next request answered.

use std::collections::HashMap;
use std::path::Path;

use eai_tests::{Backend, Platform, Service, Setup, Stored, text, until, until_async, within};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How many ask at once.
const CROWD: usize = 5;

/// Whether the place is in the end of a job.
fn is_end(place: &str) -> bool {
    matches!(place, "executor.ended" | "executor.settled")
}

/// Brings a job to the place, and past it; what the crowd was answered.
async fn ask(service: &Service, place: &str) -> Vec<u16> {
    let answers = service.crowd(CROWD).await;
    if is_end(place) {
        drop(service.try_get("/exit?0").await);
    }
    answers
}

/// What the log says of one run: how often it was claimed, started, ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    claimed: u32,
    started: u32,
    ended: u32,
}

async fn stories(platform: &Platform) -> HashMap<(String, u64), Story> {
    let mut stories: HashMap<_, Story> = HashMap::new();
    for event in Stored::of(platform).await.after(0).await {
        let document = event.document();
        let subject = text(&document["subject"]);
        let Some(job) = subject.strip_prefix("job/") else {
            continue;
        };
        let run = document["data"]["run"].as_u64().unwrap_or_default();
        let story = stories.entry((job.to_owned(), run)).or_default();
        match event.kind().as_str() {
            "eai.job.claimed.v1" => story.claimed += 1,
            "eai.job.started.v1" => story.started += 1,
            "eai.job.ended.v1" => story.ended += 1,
            _ => {}
        }
    }
    stories
}

/// One job that runs, and before it the one that was ended; none ran twice.
async fn check(platform: &Platform, service: &Service, place: &str) {
    let answer = service.get("/").await;
    assert_eq!(answer.status, 200, "the next request: {}", answer.text());
    let jobs = service.jobs().await;
    let states: Vec<_> = jobs.iter().map(|job| text(&job["state"])).collect();
    let expected: &[&str] = if is_end(place) {
        &["RUNNING", "SUCCEEDED"]
    } else {
        &["RUNNING"]
    };
    assert_eq!(states, expected, "{jobs:#?}");
    let stories = stories(platform).await;
    assert_eq!(stories.len(), jobs.len(), "{stories:?}");
    for job in &jobs {
        let id = text(&job["id"]);
        assert_eq!(job["run"], 0, "{job:#}");
        // What it printed comes a little later where the log was away.
        let begun = until_async("its first words", async || match service.begun(&id).await {
            0 => Err("none yet"),
            begun => Ok(begun),
        })
        .await;
        assert_eq!(begun, 1, "{job:#}");
        let ended = u32::from(job["state"] == "SUCCEEDED");
        let story = Story {
            claimed: 1,
            started: 1,
            ended,
        };
        assert_eq!(stories[&(id, 0)], story);
    }
    let left = platform.leftovers();
    assert_eq!(left.folders.len() + left.containers.len(), 1, "{left:?}");
    assert_eq!(
        exit_codes(&jobs),
        if is_end(place) {
            vec![json!(null), json!(0)]
        } else {
            vec![json!(null)]
        }
    );
}

fn exit_codes(jobs: &[Value]) -> Vec<Value> {
    jobs.iter()
        .map(|job| job["runs"][0]["exitCode"].clone())
        .collect()
}

async fn the_platform_dies_at(place: &'static str, backend: Backend) {
    let mut platform = Platform::start_with(Setup::fail_point(place).on(backend));
    let service = Service::web(&platform, "web", &[]);
    let asked = tokio::spawn({
        let service = service.clone();
        async move { ask(&service, place).await }
    });
    let statuses = within("the answers", asked).await.expect("a crowd");
    let clean = statuses
        .iter()
        .all(|status| matches!(status, 0 | 200 | 502 | 503));
    assert!(clean, "{statuses:?}");
    platform.wait();
    platform.set_up(Setup {
        environment: Vec::new(),
        ..Setup::fail_point(place).on(backend)
    });
    platform.up();
    if is_end(place) {
        service
            .until_job("the end", |job| job["alive"] == false)
            .await;
    }
    check(&platform, &service, place).await;
}

async fn nats_dies_at(place: &'static str, backend: Backend) {
    let folder = TempDir::new().expect("a folder");
    let held = folder.path().join("held");
    let platform = Platform::start_with(Setup::fail_point(&hold(place, &held)).on(backend));
    let service = Service::web(&platform, "web", &[]);
    let asked = tokio::spawn({
        let service = service.clone();
        async move { ask(&service, place).await }
    });
    until_async("the place to be reached", async || {
        held.exists().then_some(()).ok_or("not yet")
    })
    .await;
    platform.kill_nats();
    std::fs::remove_file(&held).expect("it is held");
    let statuses = within("the answers", asked).await.expect("a crowd");
    let clean = statuses
        .iter()
        .all(|status| matches!(status, 200 | 502 | 503));
    assert!(clean, "answered, or failed cleanly: {statuses:?}");
    if is_end(place) {
        service
            .until_job("the end", |job| job["alive"] == false)
            .await;
    }
    check(&platform, &service, place).await;
}

async fn what_is_stopped_before_it_begins_leaves_nothing(backend: Backend) {
    let folder = TempDir::new().expect("a folder");
    let held = folder.path().join("held");
    let setup = Setup::fail_point(&hold("executor.prepared", &held));
    let platform = Platform::start_with(setup.on(backend));
    let service = Service::web(&platform, "web", &[]);
    let asked = tokio::spawn({
        let service = service.clone();
        async move { service.crowd(1).await }
    });
    until_async("the place to be reached", async || {
        held.exists().then_some(()).ok_or("not yet")
    })
    .await;
    service.say(&platform, "stop");
    service.until_state("CANCELLING").await;
    std::fs::remove_file(&held).expect("it is held");
    let statuses = within("the answers", asked).await.expect("a crowd");
    assert_eq!(statuses, [503]);
    let job = service.until_state("CANCELLED").await;
    assert_eq!(service.begun(&text(&job["id"])).await, 0, "{job:#}");
    until("nothing to be left", || {
        let left = platform.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
}

/// The sandbox is there by then, and its command is held.
#[tokio::test]
async fn what_was_stopped_before_the_platform_died_never_begins() {
    let folder = TempDir::new().expect("a folder");
    let held = folder.path().join("held");
    let setup = Setup::fail_point(&hold("executor.claimed", &held));
    let mut platform = Platform::start_with(setup.on(Backend::Process));
    let service = Service::web(&platform, "web", &[]);
    let asked = tokio::spawn({
        let service = service.clone();
        async move { service.crowd(1).await }
    });
    until_async("the place to be reached", async || {
        held.exists().then_some(()).ok_or("not yet")
    })
    .await;
    // It is made while the claim is on its way, which is held here: a log that answers sooner leaves no time for it.
    until("the sandbox to be made", || {
        let left = platform.leftovers();
        (left.folders.len() == 1).then_some(()).ok_or(left)
    });
    service.say(&platform, "stop");
    let id = text(&service.until_state("CANCELLING").await["id"]);
    platform.signal(rustix::process::Signal::KILL);
    platform.wait();
    within("the answers", asked).await.expect("a crowd");
    platform.set_up(Setup::default().on(Backend::Process));
    platform.up();
    service.until_state("CANCELLED").await;
    assert_eq!(service.begun(&id).await, 0);
    until("nothing to be left", || {
        let left = platform.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
}

eai_tests::on_each_backend! {
    what_is_stopped_before_it_begins_leaves_nothing,
}

fn hold(place: &str, file: &Path) -> String {
    format!("{place}={}", file.display())
}

macro_rules! places {
    ($($name:ident $place:literal),* $(,)?) => {
        mod the_platform_dies {
            use eai_tests::Backend;
            $(#[tokio::test] async fn $name() {
                super::the_platform_dies_at($place, Backend::Process).await;
            })*
        }
        mod nats_dies {
            use eai_tests::Backend;
            $(#[tokio::test] async fn $name() {
                super::nats_dies_at($place, Backend::Process).await;
            })*
        }
    };
}

places! {
    before_the_activation "proxy.asked",
    after_the_activation "proxy.activated",
    after_the_claim "executor.claimed",
    before_the_start "executor.prepared",
    after_the_start "executor.running",
    before_it_is_told_ready "executor.answers",
    after_it_was_told_ready "executor.ready",
    before_its_end_is_told "executor.ended",
    after_its_end_was_told "executor.settled",
}

macro_rules! places_with_containers {
    ($($name:ident $place:literal),* $(,)?) => {
        mod the_platform_dies_with_containers {
            use eai_tests::Backend;
            $(#[tokio::test] async fn $name() {
                if Backend::Docker.is_there() {
                    super::the_platform_dies_at($place, Backend::Docker).await;
                }
            })*
        }
        mod nats_dies_with_containers {
            use eai_tests::Backend;
            $(#[tokio::test] async fn $name() {
                if Backend::Docker.is_there() {
                    super::nats_dies_at($place, Backend::Docker).await;
                }
            })*
        }
    };
}

places_with_containers! {
    before_the_container "executor.prepared",
    before_the_container_starts "docker.created",
    after_the_start "executor.running",
    before_it_is_told_ready "executor.answers",
    before_its_end_is_told "executor.ended",
    after_its_end_was_told "executor.settled",
}
