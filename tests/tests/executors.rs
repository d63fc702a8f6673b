//! Executors that freeze, die and come back: whose jobs are given up, and when, and that none runs twice at once.

use std::time::Duration;

use eai_tests::{
    Backend, Other, Platform, Service, Setup, Stored, count, executors, is, on_each_backend, story,
    until, until_async, until_executor, within,
};
use futures::StreamExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};

const LEASE: Duration = Duration::from_secs(2);

fn platform(backend: Backend) -> Platform {
    let flags = ["--executor-lease", "2s", "--request-wait", "20s"];
    Platform::start_with(Setup::flags(flags).on(backend))
}

/// A platform whose own executor is drained, and another one that takes the jobs.
fn with_another(backend: Backend) -> (Platform, String, Other) {
    let platform = platform(backend);
    let own = executors(&platform).into_keys().next().expect("one");
    platform.cli(["executor", "drain", &own]).ok();
    let other = Other::start(&platform, "a", LEASE);
    until_executor(&platform, &other.id(), is("active"));
    (platform, own, other)
}

/// How many runs the platform's own executor has.
fn own_runs(platform: &Platform, other: &Other) -> usize {
    // Containers are the platform's, whosever they are.
    platform.leftovers().runs() - other.leftovers().containers.len()
}

async fn pid(service: &Service) -> Value {
    let answer = service.get("/who").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer: Value = serde_json::from_str(&answer.text()).expect("JSON");
    answer["hostname"].clone()
}

async fn a_frozen_executor_is_lost_and_begins_anew_with_what_is_left_to_it(backend: Backend) {
    let (platform, own, other) = with_another(backend);
    let service = Service::web(&platform, "web", &[]);
    let before = pid(&service).await;
    assert_eq!(other.leftovers().runs(), 1);
    assert_eq!(own_runs(&platform, &other), 0);

    other.signal(Signal::STOP);
    until_executor(&platform, &other.id(), is("lost"));
    let job = service.until_state("INTERRUPTED").await;
    assert_eq!(job["runs"][0]["reason"], "executor-lost", "{job:#}");

    // It runs elsewhere as soon as somebody may take it.
    platform.cli(["executor", "undrain", &own]).ok();
    assert_eq!(pid(&service).await, before, "the same job");
    assert_eq!(service.only_job().await["run"], 1);
    assert_eq!(own_runs(&platform, &other), 1);

    // It learns what happened, and ends what is not its own any more; the process goes on.
    let process = other.pid();
    other.signal(Signal::CONT);
    let row = until_executor(&platform, &other.id(), is("active"));
    assert_eq!((&row["epoch"], &row["running"]), (&2.into(), &0.into()));
    until("its run to be gone", || {
        let left = other.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
    assert_eq!(other.pid(), process);
    assert_eq!(service.only_job().await["run"], 1);

    // And takes jobs again.
    platform.cli(["executor", "drain", &own]).ok();
    let second = Service::web(&platform, "second", &[]);
    pid(&second).await;
    assert_eq!(other.leftovers().runs(), 1);
    let story = story(&platform).await;
    assert_eq!(count(&story, "eai.executor.lost.v1"), 1);
    assert_eq!(count(&story, "eai.job.ended.v1"), 1);
}

async fn what_was_to_end_on_a_lost_executor_is_cancelled(backend: Backend) {
    let (platform, _, other) = with_another(backend);
    let service = Service::web(&platform, "web", &[]);
    pid(&service).await;
    other.signal(Signal::STOP);
    service.say(&platform, "stop");
    let job = service.until_state("CANCELLED").await;
    assert_eq!(job["runs"][0]["reason"], "executor-lost", "{job:#}");
    other.signal(Signal::CONT);
    until("its run to be gone", || {
        let left = other.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
    story(&platform).await;
}

async fn an_executor_that_is_killed_adopts_its_runs_within_its_lease_and_not_after_it(
    backend: Backend,
) {
    let (platform, own, mut other) = with_another(backend);
    let service = Service::web(&platform, "web", &[]);
    pid(&service).await;
    other.kill();
    other.up();
    until_executor(&platform, &other.id(), |row| row["epoch"] == 2);
    pid(&service).await;
    let job = service.only_job().await;
    assert_eq!((&job["run"], &job["state"]), (&0.into(), &"RUNNING".into()));

    other.kill();
    until_executor(&platform, &other.id(), is("lost"));
    service.until_state("INTERRUPTED").await;
    platform.cli(["executor", "undrain", &own]).ok();
    pid(&service).await;
    assert_eq!(service.only_job().await["run"], 1);
    other.up();
    until_executor(&platform, &other.id(), |row| row["epoch"] == 3);
    until("its run to be gone", || {
        let left = other.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
    let story = story(&platform).await;
    assert_eq!(count(&story, "eai.executor.lost.v1"), 1);
}

/// Waits until nothing was heard of an executor for several leases.
fn until_silent(platform: &Platform, id: &str) {
    let most = 3.0 * LEASE.as_secs_f64();
    until_executor(platform, id, |row| {
        row["heartbeatAge"].as_f64().is_some_and(|age| age > most)
    });
}

fn until_heard(platform: &Platform, id: &str) {
    until_executor(platform, id, |row| {
        let age = row["heartbeatAge"].as_f64();
        age.is_some_and(|age| age < LEASE.as_secs_f64())
    });
}

async fn nats_may_be_away_for_longer_than_a_lease(backend: Backend) {
    let (platform, own, other) = with_another(backend);
    let service = Service::web(&platform, "web", &[]);
    pid(&service).await;
    platform.cli(["executor", "undrain", &own]).ok();
    platform.cli(["executor", "drain", &other.id()]).ok();
    let second = Service::web(&platform, "second", &[]);
    pid(&second).await;
    for _ in 0..2 {
        platform.signal_nats(Signal::STOP);
        until_silent(&platform, &own);
        until_silent(&platform, &other.id());
        platform.signal_nats(Signal::CONT);
        until_heard(&platform, &own);
        until_heard(&platform, &other.id());
    }
    platform.kill_nats();
    for service in [&service, &second] {
        pid(service).await;
        let job = service.only_job().await;
        assert_eq!((&job["run"], &job["state"]), (&0.into(), &"RUNNING".into()));
    }
    let story = story(&platform).await;
    assert_eq!(count(&story, "eai.executor.lost.v1"), 0);
    assert_eq!(count(&story, "eai.job.ended.v1"), 0);
}

async fn a_platform_that_was_frozen_gives_nobody_up(backend: Backend) {
    let (platform, _, other) = with_another(backend);
    let service = Service::web(&platform, "web", &[]);
    pid(&service).await;
    let client = Stored::client(&platform).await;
    let beats = client.subscribe(format!("eai.heartbeat.{}", other.id()));
    let mut beats = beats.await.expect("a subscription");
    for _ in 0..2 {
        platform.signal(Signal::STOP);
        // Five of them are a lease.
        for _ in 0..12 {
            within("a sign of life", beats.next()).await;
        }
        platform.signal(Signal::CONT);
        until_heard(&platform, &other.id());
    }
    pid(&service).await;
    let job = service.only_job().await;
    assert_eq!((&job["run"], &job["state"]), (&0.into(), &"RUNNING".into()));
    let story = story(&platform).await;
    assert_eq!(count(&story, "eai.executor.lost.v1"), 0);
}

async fn a_drained_executor_keeps_its_runs_and_takes_none(backend: Backend) {
    let flags = ["--request-wait", "1s"];
    let mut platform = Platform::start_with(Setup::flags(flags).on(backend));
    let own = executors(&platform).into_keys().next().expect("one");
    let (first, second) = (
        Service::web(&platform, "web", &[]),
        Service::web(&platform, "second", &[]),
    );
    until_async("the first answer", async || {
        match first.get("/").await.status {
            200 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    for _ in 0..2 {
        let state = platform.cli(["executor", "drain", &own, "--field", "state"]);
        assert_eq!(state.ok(), "draining");
    }
    let row = executors(&platform).remove(&own).expect("a row");
    assert_eq!(
        (&row["running"], &row["backend"]),
        (&1.into(), &backend.name().into())
    );
    assert_eq!(
        row["reserved"]["memMib"].as_u64().map(|mem| mem > 0),
        Some(true)
    );
    assert_eq!(first.get("/").await.status, 200);
    let refused = second.get("/").await;
    assert_eq!(refused.status, 503);
    assert!(
        refused
            .text()
            .contains("no executor takes jobs (1 draining)"),
        "{}",
        refused.text()
    );
    // Until somebody says otherwise, also over a restart.
    assert_eq!(platform.stop(), 0);
    platform.up();
    until_executor(&platform, &own, |row| row["epoch"] == 2);
    assert_eq!(second.get("/").await.status, 503);
    assert_eq!(first.get("/").await.status, 200);
    let state = platform.cli(["executor", "undrain", &own, "--field", "state"]);
    assert_eq!(state.ok(), "active");
    until_async("the second answer", async || {
        match second.get("/").await.status {
            200 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let nobody = platform.cli(["executor", "drain", "9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10"]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("eai executor ls"), "{}", nobody.err);
}

/// A container with a run's labels, which no executor has.
fn stray(platform: &str, job: &str) -> String {
    let metadata = json!({ "job": job, "run": 0, "claim": 1 });
    let labels = [
        format!("eai.platform={platform}"),
        format!("eai.job={job}"),
        "eai.run=0".to_owned(),
        "eai.claim=1".to_owned(),
        format!("eai.metadata={metadata}"),
    ];
    let mut command = std::process::Command::new("docker");
    command.args(["run", "--detach"]);
    for label in labels {
        command.args(["--label", &label]);
    }
    let image = Backend::Docker.image();
    command.args([&image, "python3", "-c", "import signal; signal.pause()"]);
    let output = command.output().expect("docker");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn is_there(container: &str) -> bool {
    let mut command = std::process::Command::new("docker");
    let output = command.args(["inspect", container]).output();
    output.expect("docker").status.success()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_appears_and_nobody_has_is_removed_and_no_other_platforms() {
    if !Backend::Docker.is_there() {
        return;
    }
    let platform = Platform::on(Backend::Docker);
    let service = Service::web(&platform, "web", &[]);
    let before = pid(&service).await;
    let job = "9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10";
    let foreign = stray("somebody-else", job);
    let ours = stray(&platform.id().expect("an id"), job);
    until("the stray to be gone", || {
        if is_there(&ours) { Err(()) } else { Ok(()) }
    });
    let kept = is_there(&foreign);
    let mut command = std::process::Command::new("docker");
    drop(command.args(["rm", "--force", &foreign]).output());
    assert!(kept, "another platform's container was removed");
    assert_eq!(pid(&service).await, before);
    assert_eq!(platform.leftovers().containers.len(), 1);
}

on_each_backend! {
    a_frozen_executor_is_lost_and_begins_anew_with_what_is_left_to_it,
    what_was_to_end_on_a_lost_executor_is_cancelled,
    an_executor_that_is_killed_adopts_its_runs_within_its_lease_and_not_after_it,
    nats_may_be_away_for_longer_than_a_lease,
    a_platform_that_was_frozen_gives_nobody_up,
    a_drained_executor_keeps_its_runs_and_takes_none,
}
