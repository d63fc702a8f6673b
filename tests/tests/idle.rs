//! Services that nobody asks for: their job is frozen after half of the idle timeout, stopped after all of it, and
//! comes back with the next request.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::collections::BTreeSet;

use eai_tests::{Answer, Backend, Platform, Service, Setup, Stored, text, until_async, within};
use reqwest::Method;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

eai_tests::on_each_backend! {
    what_nobody_asks_for_is_frozen_and_then_stopped,
    what_is_open_is_traffic,
    a_killed_platform_forgets_nobody,
    what_was_due_meanwhile_is_stopped_by_the_next_start,
    what_is_kept_warm_never_idles_and_comes_back,
    who_meets_a_stop_under_way_is_answered_by_the_next_run,
    what_is_asked_for_in_time_stays,
}

fn timeout(platform: &Platform, service: &Service, seconds: &str) {
    let arguments = [
        "service",
        "update",
        &service.name,
        "--idle-timeout",
        seconds,
    ];
    platform.cli(arguments).ok();
}

/// Everything that was told of a service and of its jobs: type, time and payload.
async fn story(platform: &Platform, service: &Service) -> Vec<(String, OffsetDateTime, Value)> {
    let mut mine = BTreeSet::from([format!("service/{}", service.id)]);
    for job in service.jobs().await {
        mine.insert(format!("job/{}", text(&job["id"])));
    }
    let events = Stored::of(platform).await.after(0).await.into_iter();
    let documents = events.map(|event| event.document());
    documents
        .filter(|event| mine.contains(&text(&event["subject"])))
        .map(|event| {
            (
                text(&event["type"]),
                time(&event["time"]),
                event["data"].clone(),
            )
        })
        .collect()
}

fn time(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

/// When something was last told, and what.
#[track_caller]
fn last<'a>(
    story: &'a [(String, OffsetDateTime, Value)],
    kind: &str,
) -> (OffsetDateTime, &'a Value) {
    let kind = format!("eai.{kind}.v1");
    let (_, time, data) = story
        .iter()
        .rfind(|(found, _, _)| *found == kind)
        .unwrap_or_else(|| panic!("no {kind} in {story:#?}"));
    (*time, data)
}

/// Waits until this run of its newest job was stopped since nobody asked.
async fn until_stopped(service: &Service, run: u64) -> Value {
    let stopped = |job: &Value| job["run"] == run && job["state"] == "CANCELLED";
    let job = service.until_job("its job to be stopped", stopped).await;
    assert_eq!(job["runs"][0]["reason"], "idle", "{job:#}");
    job
}

async fn what_nobody_asks_for_is_frozen_and_then_stopped(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    timeout(&platform, &service, "2");
    let before = OffsetDateTime::now_utc();
    assert_eq!(service.get("/").await.status, 200);
    let answered = OffsetDateTime::now_utc();
    let job = until_stopped(&service, 0).await;
    let told = story(&platform, &service).await;
    let since = time(&last(&told, "service.quiet").1["since"]);
    let millisecond = Duration::milliseconds(1);
    assert!(
        before - millisecond <= since && since <= answered + millisecond,
        "{before} <= {since} <= {answered}"
    );
    let (frozen, why) = last(&told, "job.frozen");
    assert_eq!(why["reason"], "idle");
    assert!(frozen >= since + Duration::SECOND, "{told:#?}");
    let (cancelling, why) = last(&told, "job.cancelling");
    assert_eq!(why["reason"], "idle");
    assert!(cancelling >= since + 2 * Duration::SECOND, "{told:#?}");

    // The next request has the same job run again, and is answered.
    assert_eq!(service.get("/").await.status, 200);
    let again = service.only_job().await;
    assert_eq!((&again["id"], &again["run"]), (&job["id"], &1.into()));
    until_stopped(&service, 1).await;
}

/// What is open keeps a job for as long as another service with the same time takes to be stopped twice.
async fn what_is_open_is_traffic(backend: Backend) {
    let platform = Platform::on(backend);
    let services = ["open", "other"].map(|name| Service::web(&platform, name, &[]));
    let [open, other] = &services;
    assert_eq!(open.get("/").await.status, 200);
    for service in &services {
        timeout(&platform, service, "1");
    }
    let mut stream = open.request(Method::GET, "/sse").send().await.unwrap();
    let first = within("an event", stream.chunk()).await.unwrap();
    assert_eq!(first.as_deref(), Some(b"data: 0\n\n".as_slice()));
    for run in 0..2 {
        assert_eq!(other.get("/").await.status, 200);
        until_stopped(other, run).await;
    }
    let kept = open.until_job("its job", |_| true).await;
    let told = story(&platform, open).await;
    let quiet_after = told
        .iter()
        .rposition(|(kind, _, _)| kind == "eai.service.quiet.v1");
    let busy = told.iter().rposition(|(kind, _, _)| {
        kind == "eai.service.busy.v1" || kind == "eai.service.activated.v1"
    });
    assert!(quiet_after < busy, "a stream is open: {told:#?}");
    assert_eq!(
        (&kept["state"], &kept["frozen"]),
        (&"RUNNING".into(), &false.into())
    );
    drop(stream);
    until_stopped(open, 0).await;
}

/// It was killed before it told the log that nobody asks; the next start knows all the same.
async fn a_killed_platform_forgets_nobody(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    timeout(&platform, &service, "3");
    let before = OffsetDateTime::now_utc();
    assert_eq!(service.get("/").await.status, 200);
    platform.kill();
    let killed = OffsetDateTime::now_utc();
    platform.up();
    until_stopped(&service, 0).await;
    let told = story(&platform, &service).await;
    let since = time(&last(&told, "service.quiet").1["since"]);
    assert!(
        before - Duration::MILLISECOND <= since && since <= killed,
        "{before} <= {since} <= {killed}"
    );
    let (cancelling, _) = last(&told, "job.cancelling");
    assert!(cancelling >= since + 3 * Duration::SECOND, "{told:#?}");
    assert_eq!(service.get("/").await.status, 200);
}

async fn what_was_due_meanwhile_is_stopped_by_the_next_start(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    timeout(&platform, &service, "1");
    assert_eq!(service.get("/").await.status, 200);
    let answered = OffsetDateTime::now_utc();
    platform.kill();
    eai_tests::until("its time to be over", || {
        match OffsetDateTime::now_utc() - answered {
            gone if gone > 2 * Duration::SECOND => Ok(()),
            gone => Err(gone),
        }
    });
    platform.up();
    until_stopped(&service, 0).await;
    assert_eq!(service.get("/").await.status, 200);
}

async fn what_is_kept_warm_never_idles_and_comes_back(backend: Backend) {
    let platform = Platform::start_with(Setup::flags(["--idle-timeout", "1s"]).on(backend));
    let warm = Service::web(&platform, "warm", &[]);
    let other = Service::web(&platform, "other", &[]);
    platform
        .cli(["service", "update", "warm", "--min-ready", "1"])
        .ok();
    warm.until_job("ready without a request", |job| job["ready"] == true)
        .await;
    assert_eq!(other.get("/").await.status, 200);
    until_stopped(&other, 0).await;
    // It exits, fails and is killed, and comes back each time without being asked.
    let first = text(&warm.only_job().await["id"]);
    assert_eq!(warm.get("/exit?0").await.status, 200);
    warm.until_job("another job", |job| {
        job["ready"] == true && job["id"] != first
    })
    .await;
    assert_eq!(warm.get("/exit?1").await.status, 200);
    warm.until_job("another run", |job| job["ready"] == true && job["run"] == 1)
        .await;
    assert_eq!(warm.jobs().await.len(), 2);
    let id = text(&warm.jobs().await[0]["id"]);
    platform.cli(["job", "kill", &id]).ok();
    warm.until_job("the next run", |job| {
        job["ready"] == true && job["run"] == 2
    })
    .await;
    assert_eq!(other.get("/").await.status, 200);
    until_stopped(&other, 1).await;
    let told = story(&platform, &warm).await;
    let frozen = told.iter().any(|(kind, _, _)| kind == "eai.job.frozen.v1");
    assert!(!frozen, "{told:#?}");
    // From now on it is like any other.
    platform
        .cli(["service", "update", "warm", "--min-ready", "0"])
        .ok();
    until_stopped(&warm, 2).await;
    let shown = platform.cli(["service", "get", "warm", "--field", "minReady"]);
    assert_eq!(shown.ok(), "0");
}

async fn who_meets_a_stop_under_way_is_answered_by_the_next_run(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    // It takes its time to end.
    let script = "trap 'sleep 2; exit 0' TERM; python3 -u /service/web.py & wait";
    service.update(&platform, &[], &["sh", "-c", script]).ok();
    timeout(&platform, &service, "1");
    assert_eq!(service.get("/").await.status, 200);
    service
        .until_job("its end to begin", |job| job["state"] == "CANCELLING")
        .await;
    assert_eq!(service.crowd(10).await, [200; 10]);
    let job = service.only_job().await;
    assert_eq!(job["run"], 1, "{job:#}");
}

/// Whoever is asked once in each half of its time is neither frozen nor stopped.
async fn what_is_asked_for_in_time_stays(backend: Backend) {
    let platform = Platform::on(backend);
    let services = ["asked", "other"].map(|name| Service::web(&platform, name, &[]));
    let [asked, other] = &services;
    timeout(&platform, asked, "600");
    timeout(&platform, other, "1");
    for run in 0..3 {
        assert_eq!(asked.get("/").await.status, 200);
        assert_eq!(other.get("/").await.status, 200);
        until_stopped(other, run).await;
    }
    let job = asked.only_job().await;
    assert_eq!(
        (&job["run"], &job["state"], &job["frozen"]),
        (&0.into(), &"RUNNING".into(), &false.into())
    );
}

#[tokio::test]
async fn terms_are_told_and_bounded() {
    let platform = Platform::start();
    let show = |name: &str| -> Value {
        let shown = platform.run(&["service", "get", name, "--format", "json"], &[]);
        serde_json::from_str(&shown.ok()).unwrap()
    };
    let new = [
        "service",
        "new",
        "web",
        "--idle-timeout",
        "90",
        "--min-ready",
        "0",
    ];
    platform.cli(new).ok();
    assert_eq!(show("web")["idleTimeoutMs"], 90_000);
    platform
        .cli(["service", "update", "web", "--idle-timeout", "0"])
        .ok();
    assert_eq!(show("web")["idleTimeoutMs"], Value::Null, "it is as usual");
    for bad in [["--idle-timeout", "0.5"], ["--min-ready", "2"]] {
        let refused = platform.cli(["service", "update", "web", bad[0], bad[1]]);
        assert!(refused.err.contains("bad-terms"), "{refused:?}");
    }
    let queue = ["service", "new", "work", "--queue", "--idle-timeout", "60"];
    platform.cli(queue).ok();
    let idle = |name: &str| show(name)["queue"]["idleTimeoutMs"].clone();
    assert_eq!(idle("work"), 60_000);
    platform
        .cli(["service", "update", "work", "--idle-timeout", "5"])
        .ok();
    assert_eq!(idle("work"), 5_000);
    platform
        .cli(["service", "update", "work", "--idle-timeout", "0"])
        .ok();
    assert_eq!(idle("work"), Value::Null);
    let warm = platform.cli(["service", "update", "work", "--min-ready", "1"]);
    assert!(warm.err.contains("bad-terms"), "{warm:?}");
}

/// A request on a job's own URL is one to its service.
#[tokio::test]
async fn who_asks_for_the_job_asks_for_the_service() {
    let platform = Platform::start();
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    timeout(&platform, &service, "2");
    service
        .until_job("its job to be frozen", |job| job["frozen"] == true)
        .await;
    let job = service.only_job().await;
    let url = text(&job["accessUrl"]);
    let host = url.strip_prefix("http://").unwrap();
    assert_eq!(Answer::of(service.request_to(host, "/")).await.status, 200);
    until_async("the service to be asked for", async || {
        let told = story(&platform, &service).await;
        let busy = told
            .iter()
            .any(|(kind, _, _)| kind == "eai.service.busy.v1");
        if busy { Ok(()) } else { Err(told) }
    })
    .await;
    until_stopped(&service, 0).await;
}
