//! Updates lose nothing: under load, where the new revision never answers, where there is no room for both, and
//! whatever dies meanwhile.

use eai_tests::rollout::{Options, run};
use eai_tests::{Backend, Platform, Service, memory, on_each_backend, text, until_async};
use serde_json::Value;

async fn three_updates_in_a_row_lose_nothing(backend: Backend) {
    let report = run(&Options::new(3, 100, backend)).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.saw_enough(), "{report}");
}

#[tokio::test]
async fn a_run_that_ends_before_it_is_done_is_noticed() {
    let mut options = Options::new(3, 100, Backend::Process);
    options.sabotage = Some("no-drain".to_owned());
    let report = run(&options).await;
    assert!(!report.is_clean(), "{report}");
}

async fn until_rollout(service: &Service, wanted: &str) -> Value {
    until_async(wanted, async || {
        let now = service.row().await;
        if now["rollout"] == wanted {
            Ok(now)
        } else {
            Err(now)
        }
    })
    .await
}

async fn version(service: &Service) -> String {
    let answer = service.get("/v").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().trim_end().to_owned()
}

async fn until_version(service: &Service, wanted: &str) {
    until_async(wanted, async || match version(service).await {
        version if version == wanted => Ok(()),
        other => Err(other),
    })
    .await;
}

async fn one_that_never_answers_leaves_the_one_before(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::of_app(&platform, "web", "rollout.py", &["-e", "VERSION=1"]);
    assert_eq!(version(&service).await, "1 /v");
    // The answer may be there before the log says whose it was.
    let serving = until_async("a revision to serve", async || {
        match service.row().await["servingRevision"].clone() {
            Value::Null => Err("none"),
            serving => Ok(serving),
        }
    })
    .await;
    let broken = ["sh", "-c", "exit 3"];
    service
        .update(&platform, &["-e", "VERSION=2"], &broken)
        .ok();
    let failed = until_rollout(&service, "failed").await;
    assert_eq!(failed["servingRevision"], serving, "{failed:#}");
    assert!(text(&failed["rolloutReason"]).contains("did not come to answer"));
    assert_eq!(version(&service).await, "1 /v");
    let jobs = service.jobs().await.len();
    let events = platform
        .cli([
            "events",
            "tail",
            "-n",
            "100",
            "--type",
            "service.job_ended",
            "--format",
            "json",
        ])
        .ok();
    assert!(events.contains("\"failedRevision\""), "{events}");
    // Nobody tries it again; whoever asks, gets the one before.
    assert_eq!(version(&service).await, "1 /v");
    assert_eq!(service.jobs().await.len(), jobs);
    // A start does, and it fails again.
    service.say(&platform, "start");
    until_rollout(&service, "failed").await;
    assert_eq!(version(&service).await, "1 /v");
    // One that is better takes over.
    let command = ["python3", "-u", "/service/rollout.py"];
    service
        .update(&platform, &["-e", "VERSION=3"], &command)
        .ok();
    until_version(&service, "3 /v").await;
    until_rollout(&service, "settled").await;
}

async fn a_newer_update_overtakes_one_under_way(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::of_app(&platform, "web", "rollout.py", &["-e", "VERSION=1"]);
    assert_eq!(version(&service).await, "1 /v");
    let first = text(&service.only_job().await["id"]);
    let never = ["sh", "-c", "exec sleep 600"];
    service.update(&platform, &["-e", "VERSION=2"], &never).ok();
    let second = service
        .until_job("it to run", |job| {
            job["id"] != first.as_str() && job["state"] == "RUNNING"
        })
        .await;
    assert_eq!(version(&service).await, "1 /v");
    let command = ["python3", "-u", "/service/rollout.py"];
    service
        .update(&platform, &["-e", "VERSION=3"], &command)
        .ok();
    until_version(&service, "3 /v").await;
    let second = text(&second["id"]);
    until_async(
        "the one that was overtaken to end",
        async || match service.job(&second).await {
            job if job["state"] == "CANCELLED" => Ok(()),
            job => Err(job),
        },
    )
    .await;
    let settled = until_rollout(&service, "settled").await;
    assert_eq!(settled["servingRevision"], settled["revision"]);
}

/// A request that is answered already, but for the second half of the body, which comes after so many seconds.
async fn begun(service: &Service, seconds: u32) -> (reqwest::Response, Vec<u8>) {
    let path = format!("/begun?{seconds}");
    let request = service.request(reqwest::Method::GET, &path);
    let mut answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let first = answer.chunk().await.expect("a body").expect("its begin");
    (answer, first.to_vec())
}

/// All of its body.
async fn rest((mut answer, mut body): (reqwest::Response, Vec<u8>)) -> String {
    while let Some(chunk) = answer.chunk().await.expect("the rest of the body") {
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).expect("text")
}

async fn a_restart_loses_nothing(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::of_app(&platform, "web", "rollout.py", &[]);
    assert_eq!(service.get("/v").await.status, 200);
    let before = text(&service.only_job().await["id"]);
    // It is under way while the other one takes over.
    let slow = begun(&service, 2).await;
    service.say(&platform, "restart");
    until_async("another job to serve", async || {
        assert_eq!(service.get("/v").await.status, 200, "no request is lost");
        let jobs = service.jobs().await;
        let alive: Vec<_> = jobs.iter().filter(|job| job["alive"] == true).collect();
        if alive.len() == 1 && alive[0]["id"] != before.as_str() {
            Ok(())
        } else {
            Err(jobs)
        }
    })
    .await;
    assert_eq!(rest(slow).await, "0 /begun?2\n");
}

on_each_backend! {
    three_updates_in_a_row_lose_nothing,
    one_that_never_answers_leaves_the_one_before,
    a_newer_update_overtakes_one_under_way,
    a_restart_loses_nothing,
}

#[tokio::test]
async fn where_there_is_no_room_for_both_requests_are_held() {
    let platform = Platform::on(Backend::Process);
    let mem = format!("{:.1}", memory() * 0.6);
    let flags = ["--mem", &mem, "-e", "VERSION=1"];
    let service = Service::of_app(&platform, "web", "rollout.py", &flags);
    assert_eq!(version(&service).await, "1 /v");
    let slow = begun(&service, 2).await;
    // Each is held or answered, and none is refused.
    service.update(&platform, &["-e", "VERSION=2"], &[]).ok();
    until_version(&service, "2 /v").await;
    assert_eq!(rest(slow).await, "1 /begun?2\n");
    until_rollout(&service, "settled").await;
}

/// Where the platform is killed in an update.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The update is stored.
    Stored,
    /// A run of the next revision is there.
    Beside,
    /// Requests go to it, and the old one still has some.
    Draining,
}

#[tokio::test]
async fn an_update_ends_though_the_platform_is_killed() {
    for moment in [Moment::Stored, Moment::Beside, Moment::Draining] {
        let mut platform = Platform::on(Backend::Process);
        let service = Service::of_app(&platform, "web", "rollout.py", &["-e", "VERSION=1"]);
        assert_eq!(version(&service).await, "1 /v");
        let before = service.jobs().await.len();
        // Something that is in flight for as long as it is looked at.
        let mut stream = service.request(reqwest::Method::GET, "/sse").send().await;
        service.update(&platform, &["-e", "VERSION=2"], &[]).ok();
        match moment {
            Moment::Stored => {}
            Moment::Beside => {
                until_async("another run", async || match service.jobs().await.len() {
                    now if now > before => Ok(()),
                    now => Err(now),
                })
                .await;
            }
            Moment::Draining => drop(until_rollout(&service, "draining").await),
        }
        platform.signal(rustix::process::Signal::KILL);
        platform.wait();
        if let Ok(stream) = &mut stream {
            // It ends, with the platform that it went through.
            while let Ok(Some(_)) = stream.chunk().await {}
        }
        platform.up();
        until_version(&service, "2 /v").await;
        let settled = until_rollout(&service, "settled").await;
        assert_eq!(
            settled["servingRevision"], settled["revision"],
            "{moment:?}"
        );
        until_async("one job to be left", async || {
            let jobs = service.jobs().await;
            let alive = jobs.iter().filter(|job| job["alive"] == true).count();
            if alive == 1 { Ok(()) } else { Err(jobs) }
        })
        .await;
    }
}
