//! The Docker engine is stopped, killed, or does not answer: each job comes to one end with the reason that it has,
//! what can go on goes on, and nothing is left.

use eai_tests::{
    Backend, Engine, Platform, Service, Setup, Stored, executors, story, text, until, until_async,
    within,
};
use futures::StreamExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};

/// An engine of its own, and a platform on it.
fn platform(live_restore: bool) -> Option<(Engine, Platform)> {
    if !Backend::Docker.is_there() {
        return None;
    }
    let engine = Engine::start(live_restore);
    let flags = ["--executor-lease", "2s", "--request-wait", "50s"];
    let mut setup = Setup::flags(flags).on(Backend::Docker);
    let host = ("DOCKER_HOST".to_owned(), engine.host());
    setup.environment.push(host);
    Some((engine, Platform::start_with(setup)))
}

async fn pid(service: &Service) -> Value {
    let answer = service.get("/who").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.ok()["pid"].clone()
}

/// Waits for ten seconds of signs of life: the executor turns, and is not given up.
async fn for_ten_seconds(platform: &Platform) {
    let own = executors(platform).into_keys().next().expect("one");
    let client = Stored::client(platform).await;
    let beats = client.subscribe(format!("eai.heartbeat.{own}"));
    let mut beats = beats.await.expect("a subscription");
    // Five of them are a lease.
    for _ in 0..25 {
        within("a sign of life", beats.next()).await;
    }
    let row = executors(platform).remove(&own).expect("a row");
    assert_eq!(row["state"], "active", "{row:#}");
}

/// A request that is on its way while the engine is away.
fn ask(service: &Service) -> tokio::task::JoinHandle<u16> {
    let service = service.clone();
    tokio::spawn(async move { service.get("/").await.status })
}

fn until_nothing_is_left(engine: &Engine, count: usize) {
    until("only what runs to be there", || match engine.containers() {
        left if left.len() == count => Ok(()),
        left => Err(left),
    });
}

async fn end_all(mut platform: Platform, engine: &Engine, services: &[&Service]) {
    for service in services {
        service.say(&platform, "stop");
        service
            .until_job("the end", |job| job["alive"] == false)
            .await;
    }
    until_nothing_is_left(engine, 0);
    story(&platform).await;
    assert_eq!(platform.stop(), 0);
    assert!(engine.networks().is_empty(), "{:?}", engine.networks());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_stopped_ends_what_it_runs_which_runs_again() {
    let Some((mut engine, platform)) = platform(false) else {
        return;
    };
    let (first, second) = (
        Service::web(&platform, "web", &[]),
        Service::web(&platform, "second", &[]),
    );
    let before = pid(&first).await;
    engine.stop();
    let asked = ask(&second);
    for_ten_seconds(&platform).await;
    second.until_state("QUEUED").await;
    engine.up();
    // What was to begin meanwhile begins; what ran was ended by the engine, not by itself.
    assert_eq!(within("an answer", asked).await.expect("a status"), 200);
    let job = first.until_state("INTERRUPTED").await;
    assert_eq!(job["runs"][0]["reason"], "lost", "{job:#}");
    let message = text(&job["runs"][0]["message"]);
    assert!(message.contains("Docker engine"), "{message}");
    assert_ne!(pid(&first).await, before);
    assert_eq!(first.only_job().await["run"], 1);
    assert_eq!(second.only_job().await["run"], 0);
    until_nothing_is_left(&engine, 2);
    end_all(platform, &engine, &[&first, &second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_killed_and_comes_back_leaves_one_run_each() {
    let Some((mut engine, platform)) = platform(false) else {
        return;
    };
    let service = Service::web(&platform, "web", &[]);
    pid(&service).await;
    engine.kill();
    engine.up();
    until_async("an answer", async || match service.get("/").await {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.text()),
    })
    .await;
    let job = service.only_job().await;
    for run in job["runs"].as_array().expect("runs") {
        let end = (&run["state"], &run["reason"]);
        let lost = (&json!("INTERRUPTED"), &json!("lost"));
        assert!(end == lost || run["state"] == "RUNNING", "{job:#}");
    }
    until_nothing_is_left(&engine, 1);
    end_all(platform, &engine, &[&service]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_engine_lets_go_on_is_not_disturbed() {
    let Some((mut engine, platform)) = platform(true) else {
        return;
    };
    let (first, second, third) = (
        Service::web(&platform, "web", &[]),
        Service::web(&platform, "second", &[]),
        Service::web(&platform, "third", &[]),
    );
    let before = pid(&first).await;
    pid(&third).await;
    engine.stop();
    // It answers without the engine, and another one may end.
    assert_eq!(pid(&first).await, before);
    let asked = ask(&second);
    drop(third.try_get("/exit?0").await);
    for_ten_seconds(&platform).await;
    assert_eq!(pid(&first).await, before);
    engine.up();
    assert_eq!(within("an answer", asked).await.expect("a status"), 200);
    assert_eq!(pid(&first).await, before);
    let job = first.only_job().await;
    assert_eq!((&job["run"], &job["state"]), (&0.into(), &"RUNNING".into()));
    let job = third.until_state("SUCCEEDED").await;
    assert_eq!(job["runs"][0]["exitCode"], 0, "{job:#}");
    until_nothing_is_left(&engine, 2);
    end_all(platform, &engine, &[&first, &second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_does_not_answer_holds_nothing_else_up() {
    let Some((engine, platform)) = platform(false) else {
        return;
    };
    let (first, second, third) = (
        Service::web(&platform, "web", &[]),
        Service::web(&platform, "second", &[]),
        Service::web(&platform, "third", &[]),
    );
    let before = pid(&first).await;
    pid(&third).await;
    engine.signal(Signal::STOP);
    let asked = ask(&second);
    third.say(&platform, "stop");
    for_ten_seconds(&platform).await;
    assert_eq!(pid(&first).await, before);
    third.until_state("CANCELLING").await;
    engine.signal(Signal::CONT);
    assert_eq!(within("an answer", asked).await.expect("a status"), 200);
    third.until_state("CANCELLED").await;
    assert_eq!(pid(&first).await, before);
    for service in [&first, &second] {
        let job = service.only_job().await;
        assert_eq!((&job["run"], &job["state"]), (&0.into(), &"RUNNING".into()));
    }
    until_nothing_is_left(&engine, 2);
    end_all(platform, &engine, &[&first, &second]).await;
}
