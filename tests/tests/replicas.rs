//! Services with many jobs behind their URL: more of them as requests in flight ask for, fewer after a while, and no
//! request lost by either.

use std::collections::BTreeSet;

use eai_tests::{
    Answer, Backend, Platform, Service, Setup, memory, on_each_backend, text, until_async,
};
use serde_json::Value;
use tokio::task::JoinHandle;

on_each_backend! {
    more_come_as_requests_ask_for_them_and_each_gets_its_part,
    one_that_dies_is_replaced_while_the_others_answer,
    an_update_of_two_loses_nothing_and_a_stop_ends_all,
    all_of_them_go_quiet_and_come_back,
    open_streams_ask_for_more_and_are_left_alone_by_fewer,
}

/// A platform that has fewer replicas after so long.
fn platform(backend: Backend, window: &str) -> Platform {
    Platform::start_with(
        Setup::flags(["--scale-down-after", window, "--drain-timeout", "60s"]).on(backend),
    )
}

fn service(platform: &Platform, terms: &[&str]) -> Service {
    let flags = [&["-e", "VERSION=1", "--mem", "0.1", "--cpu", "0.1"], terms].concat();
    Service::of_app(platform, "web", "replicas.py", &flags)
}

/// What `service get` says of its replicas.
async fn shown(service: &Service) -> Value {
    service.row().await["replicas"].clone()
}

async fn until_ready(service: &Service, count: u64) {
    until_async("so many replicas to be ready", async || {
        match shown(service).await {
            replicas if replicas["ready"] == count && replicas["wanted"] == count => Ok(()),
            replicas => Err((replicas, service.jobs().await)),
        }
    })
    .await;
}

async fn alive(service: &Service) -> Vec<String> {
    let jobs = service.jobs().await;
    let alive = jobs.iter().filter(|job| job["alive"] == true);
    alive.map(|job| text(&job["id"])).collect()
}

async fn until_alive(service: &Service, count: usize) -> Vec<String> {
    until_async("so many jobs to be alive", async || {
        match alive(service).await {
            jobs if jobs.len() == count => Ok(jobs),
            jobs => Err(jobs),
        }
    })
    .await
}

/// A request that is answered once its job is told to.
fn hold(service: &Service) -> JoinHandle<Answer> {
    let service = service.clone();
    tokio::spawn(async move { service.get("/hold").await })
}

/// Asks one of its jobs.
async fn of_job(platform: &Platform, service: &Service, job: &str, path: &str) -> String {
    let (_, domain) = service.host.split_once(".service.").expect("a host");
    let host = format!("{job}.job.{domain}");
    let answer = Answer::of(service.request_to(&host, path)).await;
    assert_eq!(answer.status, 200, "{} {}", answer.text(), platform.log());
    answer.text()
}

/// How many requests each of its jobs has.
async fn held(platform: &Platform, service: &Service) -> Vec<u32> {
    let mut held = Vec::new();
    for job in alive(service).await {
        let said = of_job(platform, service, &job, "/held").await;
        held.push(said.trim().parse().expect("a number"));
    }
    held
}

async fn until_held(platform: &Platform, service: &Service, count: u32) -> Vec<u32> {
    until_async("so many requests to be held", async || {
        match held(platform, service).await {
            held if held.iter().sum::<u32>() == count => Ok(held),
            held => Err(held),
        }
    })
    .await
}

async fn release(platform: &Platform, service: &Service) {
    for job in alive(service).await {
        of_job(platform, service, &job, "/release").await;
    }
}

/// Which of its jobs answered.
fn who(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let said = answer.text();
    said.trim().rsplit_once(' ').expect("a job").1.to_owned()
}

async fn more_come_as_requests_ask_for_them_and_each_gets_its_part(backend: Backend) {
    let platform = platform(backend, "2s");
    let service = service(&platform, &["--replicas", "1:3", "--concurrency", "3"]);
    let first = who(&service.get("/").await);
    assert_eq!(service.jobs().await.len(), 1);
    // They are held: so many are in flight for as long as it takes.
    let mut slow: Vec<_> = (0..9).map(|_| hold(&service)).collect();
    until_ready(&service, 3).await;
    let jobs = until_alive(&service, 3).await;
    let others: Vec<_> = jobs.iter().filter(|job| **job != first).collect();
    until_held(&platform, &service, 9).await;
    // Those with the least to do get the next ones.
    for count in 10..=15 {
        slow.push(hold(&service));
        until_held(&platform, &service, count).await;
    }
    for other in &others {
        let held = of_job(&platform, &service, other, "/held").await;
        assert_eq!(held.trim(), "3");
    }
    // Two are enough for the six that are left: the third gets no more, and goes on with what it has.
    of_job(&platform, &service, &first, "/release").await;
    until_ready(&service, 2).await;
    until_held(&platform, &service, 6).await;
    for other in &others {
        of_job(&platform, &service, other, "/release").await;
    }
    let mut answered = BTreeSet::new();
    for slow in slow {
        answered.insert(who(&slow.await.expect("an answer")));
    }
    assert_eq!(answered, jobs.iter().cloned().collect());
    assert_eq!(until_alive(&service, 1).await, [first], "the newest leave");
    until_ready(&service, 1).await;
}

async fn one_that_dies_is_replaced_while_the_others_answer(backend: Backend) {
    let platform = platform(backend, "60s");
    let service = service(&platform, &["--replicas", "2"]);
    let first = who(&service.get("/").await);
    until_ready(&service, 2).await;
    let before = until_alive(&service, 2).await;
    let (_, domain) = service.host.split_once(".service.").expect("a host");
    let host = format!("{first}.job.{domain}");
    let cut = Answer::of(service.request_to(&host, "/die")).await;
    assert_eq!(cut.status, 502, "{}", cut.text());
    let other = before.iter().find(|job| **job != first).expect("another");
    assert_eq!(&who(&service.get("/").await), other);
    // As long as the one that died is not back, and after that.
    let mut answered = BTreeSet::new();
    until_async("both to answer again", async || {
        answered.insert(who(&service.get("/").await));
        let replicas = shown(&service).await;
        if answered.len() == 2 && replicas["ready"] == 2 {
            Ok(())
        } else {
            Err((replicas, answered.clone()))
        }
    })
    .await;
    assert_eq!(alive(&service).await.len(), 2);
}

async fn an_update_of_two_loses_nothing_and_a_stop_ends_all(backend: Backend) {
    let mut platform = platform(backend, "60s");
    let service = service(&platform, &["--replicas", "2"]);
    who(&service.get("/").await);
    until_ready(&service, 2).await;
    let old = until_alive(&service, 2).await;
    let slow = [hold(&service), hold(&service)];
    assert_eq!(until_held(&platform, &service, 2).await, [1, 1]);
    service.update(&platform, &["-e", "VERSION=2"], &[]).ok();
    until_async("the new revision to answer", async || {
        let answer = service.get("/").await;
        who(&answer);
        if answer.text().starts_with("2 ") {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .await;
    until_ready(&service, 2).await;
    // What they had when they left is answered by them.
    for job in &old {
        of_job(&platform, &service, job, "/release").await;
    }
    for slow in slow {
        assert!(old.contains(&who(&slow.await.expect("an answer"))));
    }
    let new = until_alive(&service, 2).await;
    assert!(new.iter().all(|job| !old.contains(job)), "{new:?}");
    // Whoever starts anew finds both of them.
    platform.kill();
    platform.up();
    until_ready(&service, 2).await;
    assert_eq!(until_alive(&service, 2).await, new);
    service.say(&platform, "stop");
    until_alive(&service, 0).await;
    assert_eq!(service.get("/").await.status, 503);
}

async fn all_of_them_go_quiet_and_come_back(backend: Backend) {
    let platform = platform(backend, "60s");
    let service = service(&platform, &["--replicas", "2", "--idle-timeout", "3"]);
    who(&service.get("/").await);
    until_async("both to have been there and to be stopped", async || {
        let jobs = service.jobs().await;
        let stopped = jobs.iter().filter(|job| job["state"] == "CANCELLED");
        if stopped.count() == 2 {
            Ok(())
        } else {
            Err(jobs)
        }
    })
    .await;
    // Held open, so that it does not go quiet again.
    let slow = hold(&service);
    until_ready(&service, 2).await;
    release(&platform, &service).await;
    who(&slow.await.expect("an answer"));
    assert_eq!(service.jobs().await.len(), 2, "the same jobs");
}

/// A stream of events without an end, and how many came.
async fn stream(service: &Service) -> reqwest::Response {
    let request = service.request(reqwest::Method::GET, "/sse");
    let mut stream = request.send().await.expect("a stream");
    assert_eq!(stream.status(), 200);
    events(&mut stream).await;
    stream
}

/// Waits for more of it.
async fn events(stream: &mut reqwest::Response) {
    for _ in 0..10 {
        let event = stream.chunk().await.expect("no reset");
        assert!(event.is_some(), "it goes on");
    }
}

async fn open_streams_ask_for_more_and_are_left_alone_by_fewer(backend: Backend) {
    let platform = platform(backend, "1s");
    let flags = ["--replicas", "1:3", "--concurrency", "1", "--mem", "0.1"];
    let service = Service::of_app(&platform, "web", "rollout.py", &flags);
    let mut streams = Vec::new();
    for count in 1..=3 {
        streams.push(stream(&service).await);
        until_ready(&service, count).await;
    }
    // One is enough now. Those that leave go on with the streams that they have.
    drop(streams.remove(0));
    until_async("fewer to be wanted", async || match shown(&service).await {
        replicas if replicas["wanted"] == 2 => Ok(()),
        replicas => Err(replicas),
    })
    .await;
    for stream in &mut streams {
        events(stream).await;
    }
    drop(streams);
    until_ready(&service, 1).await;
    until_alive(&service, 1).await;
}

/// Half of what a job may have of this machine fits once more, and two of them do not.
#[tokio::test]
async fn an_update_without_room_for_one_more_loses_nothing() {
    let platform = Platform::on(Backend::Process);
    let mem = format!("{:.1}", memory() * 0.35);
    let flags = ["--replicas", "2", "--mem", &mem, "-e", "VERSION=1"];
    let service = Service::of_app(&platform, "web", "replicas.py", &flags);
    who(&service.get("/").await);
    until_ready(&service, 2).await;
    let slow = hold(&service);
    until_held(&platform, &service, 1).await;
    let old = alive(&service).await;
    service.update(&platform, &["-e", "VERSION=2"], &[]).ok();
    // Somebody has to be done first; nobody is refused meanwhile.
    let asked = {
        let service = service.clone();
        tokio::spawn(async move { service.get("/").await })
    };
    until_async("old ones to leave", async || match service.row().await {
        row if row["rollout"] == "draining" => Ok(()),
        row => Err(row),
    })
    .await;
    for job in &old {
        let (_, domain) = service.host.split_once(".service.").expect("a host");
        let host = format!("{job}.job.{domain}");
        drop(Answer::of(service.request_to(&host, "/release")).await);
    }
    assert!(old.contains(&who(&slow.await.expect("an answer"))));
    who(&asked.await.expect("an answer"));
    until_ready(&service, 2).await;
    let new = until_alive(&service, 2).await;
    assert!(new.iter().all(|job| !old.contains(job)), "{new:?}");
    assert!(service.get("/").await.text().starts_with("2 "));
}

#[tokio::test]
async fn what_no_service_can_have_is_refused() {
    let platform = Platform::start();
    for bad in [
        ["--replicas", "0:0"],
        ["--replicas", "4:2"],
        ["--replicas", "1:65"],
        ["--replicas", "many"],
        ["--concurrency", "0"],
    ] {
        let arguments = [&["service", "new", "web"], &bad[..]].concat();
        let output = platform.run(&arguments, &[]);
        assert_ne!(output.code, 0, "{bad:?}");
        let listed = platform.cli(["service", "ls", "--field", "name"]).ok();
        assert_eq!(listed, "", "{bad:?}");
    }
    let arguments = ["service", "new", "work", "--queue", "--replicas", "2"];
    let refused = platform.run(&arguments, &[]);
    assert!(refused.err.contains("workers"), "{}", refused.err);
    let service = Service::empty(&platform, "web");
    assert_eq!(
        shown(&service).await,
        Value::Null,
        "one is nothing to speak of"
    );
    service.update(&platform, &["--replicas", "0:4"], &[]).ok();
    let expected = serde_json::json!({ "min": 0, "max": 4, "wanted": 1, "ready": 0 });
    assert_eq!(shown(&service).await, expected);
}
