//! Jobs that are held still: they use no CPU, and the first request lets them go on.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Answer, Backend, Platform, Service, Stored, text, until, until_async, within};
use reqwest::Method;
use serde_json::Value;

eai_tests::on_each_backend! {
    a_frozen_job_stands_still_until_it_is_asked,
    a_frozen_job_is_killed,
    a_frozen_job_ends_with_its_service,
    a_frozen_job_outlives_the_platform,
    what_was_thawed_while_nobody_ran_it_goes_on,
    what_is_open_waits_and_goes_on,
    a_frozen_job_is_not_judged,
}

/// How many looks in a row have to see no CPU time used.
const LOOKS: u32 = 50;

/// The service's only job, which answers and spins.
async fn spinning(platform: &Platform, service: &Service) -> String {
    assert_eq!(service.get("/spin").await.status, 200);
    let before = platform.leftovers().cpu_ticks();
    until("its job to spin", || {
        match platform.leftovers().cpu_ticks() {
            now if now > before => Ok(()),
            now => Err(now),
        }
    });
    text(&service.only_job().await["id"])
}

fn until_still(platform: &Platform) {
    let (mut last, mut looks) = (0, 0);
    until("the job to stand still", || {
        let now = platform.leftovers().cpu_ticks();
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        if looks == LOOKS { Ok(()) } else { Err(now) }
    });
}

fn freeze(platform: &Platform, id: &str) {
    platform.cli(["job", "freeze", id]).ok();
}

async fn who(service: &Service) -> String {
    text(&service.get("/who").await.ok()["pid"])
}

fn stands(job: &Value) -> (&Value, &Value, &Value) {
    (&job["state"], &job["frozen"], &job["ready"])
}

/// How often something happened to a job.
async fn count(platform: &Platform, event: &str) -> usize {
    let events = Stored::of(platform).await.after(0).await;
    let kind = format!("eai.job.{event}.v1");
    events.iter().filter(|event| event.kind() == kind).count()
}

async fn a_frozen_job_stands_still_until_it_is_asked(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let id = spinning(&platform, &service).await;
    let before = who(&service).await;
    freeze(&platform, &id);
    until_still(&platform);
    let job = service.job(&id).await;
    let frozen = (&"RUNNING".into(), &true.into(), &true.into());
    assert_eq!(stands(&job), frozen, "{job:#}");
    freeze(&platform, &id);
    assert_eq!(count(&platform, "frozen").await, 1, "it was frozen already");

    assert_eq!(service.crowd(10).await, [200; 10]);
    assert_eq!(count(&platform, "thawed").await, 1, "one for all of them");
    let job = service.job(&id).await;
    assert_eq!(stands(&job).1, &Value::from(false), "{job:#}");
    assert_eq!(who(&service).await, before, "the same process");

    // Its own URL does it, too; and so does its user.
    freeze(&platform, &id);
    until_still(&platform);
    let url = text(&job["accessUrl"]);
    let host = url.strip_prefix("http://").unwrap();
    let answer = Answer::of(service.request_to(host, "/own")).await;
    assert_eq!((answer.status, answer.text()), (200, "web /own\n".into()));
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.starts_with("thaw;dur="), "{timing}");
    freeze(&platform, &id);
    platform.cli(["job", "thaw", &id]).ok();
    platform.cli(["job", "thaw", &id]).ok();
    assert_eq!(count(&platform, "thawed").await, 3);
    assert_eq!(who(&service).await, before);
    assert_eq!(service.only_job().await["run"], 0);
}

async fn a_frozen_job_is_killed(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let id = spinning(&platform, &service).await;
    freeze(&platform, &id);
    until_still(&platform);
    platform.cli(["job", "kill", &id]).ok();
    let job = service.until_state("CANCELLED").await;
    assert_eq!(
        (&job["frozen"], &job["runs"][0]["signal"]),
        (&false.into(), &15.into()),
        "it got the time to end by itself: {job:#}"
    );
    nothing_left(&platform);
    let refused = platform.cli(["job", "freeze", &id]);
    assert!(refused.err.contains("already-ended"), "{refused:?}");
    assert_eq!(service.get("/").await.status, 200, "another run answers");
}

async fn a_frozen_job_ends_with_its_service(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let id = spinning(&platform, &service).await;
    freeze(&platform, &id);
    until_still(&platform);
    service.say(&platform, "stop");
    service.until_state("CANCELLED").await;
    nothing_left(&platform);
}

async fn a_frozen_job_outlives_the_platform(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let before = who(&service).await;
    let id = spinning(&platform, &service).await;
    freeze(&platform, &id);
    until_still(&platform);
    platform.kill();
    platform.up();
    until_still(&platform);
    let job = service.job(&id).await;
    let frozen = (&"RUNNING".into(), &true.into(), &true.into());
    assert_eq!(stands(&job), frozen, "{job:#}");
    assert_eq!(who(&service).await, before, "the same process");
}

/// Where a word is stored and its executor dies before it can follow it, the next one does.
async fn what_was_thawed_while_nobody_ran_it_goes_on(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let id = spinning(&platform, &service).await;
    let before = who(&service).await;
    // What the executor is doing when it is killed is anybody's guess.
    for _ in 0..3 {
        freeze(&platform, &id);
        platform.kill();
        platform.up();
        until_still(&platform);
        platform.cli(["job", "thaw", &id]).ok();
        platform.kill();
        platform.up();
        assert_eq!(who(&service).await, before);
    }
}

async fn what_is_open_waits_and_goes_on(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let mut stream = service.request(Method::GET, "/sse").send().await.unwrap();
    let first = within("an event", stream.chunk()).await.unwrap();
    assert_eq!(first.as_deref(), Some(b"data: 0\n\n".as_slice()));
    let id = spinning(&platform, &service).await;
    freeze(&platform, &id);
    until_still(&platform);
    assert_eq!(service.job(&id).await["frozen"], true, "it stays so");
    for number in 1..3 {
        assert_eq!(service.get("/next").await.status, 200);
        let next = within("an event", stream.chunk()).await.unwrap();
        let expected = format!("data: {number}\n\n");
        assert_eq!(next.as_deref(), Some(expected.as_bytes()));
    }
}

/// Two jobs from one moment on: one that is frozen, and one that answers its probes no more. When the log has it of
/// the one, it would have had it of the other.
async fn a_frozen_job_is_not_judged(backend: Backend) {
    let platform = Platform::on(backend);
    let path = ["--readiness-path", "/healthy"];
    let services = ["frozen", "ill"].map(|name| Service::web(&platform, name, &path));
    let [frozen, ill] = &services;
    let id = spinning(&platform, frozen).await;
    freeze(&platform, &id);
    until_still(&platform);
    assert_eq!(ill.get("/ill").await.status, 200);
    until_async("the other one to be unready", async || {
        let job = ill.only_job().await;
        if job["ready"] == false {
            Ok(())
        } else {
            Err(job)
        }
    })
    .await;
    let job = frozen.job(&id).await;
    let stood = (&"RUNNING".into(), &true.into(), &true.into());
    assert_eq!(stands(&job), stood, "{job:#}");
    assert_eq!(frozen.get("/").await.status, 200);
    assert_eq!(frozen.only_job().await["run"], 0);
}

fn nothing_left(platform: &Platform) {
    until("nothing left of its runs", || match platform.leftovers() {
        left if left.is_empty() => Ok(()),
        left => Err(left),
    });
}
