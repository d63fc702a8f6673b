//! Jobs of services that fail: run again after a pause while they are wanted, and given up after too many failures.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Backend, Platform, Service, Setup, Stored, text, until_async};
use serde_json::Value;

eai_tests::on_each_backend! {
    what_crashes_comes_back_without_being_asked,
    what_fails_too_often_is_in_error_until_it_is_mended,
}

async fn what_crashes_comes_back_without_being_asked(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    for run in 1..3 {
        assert_eq!(service.get("/exit?1").await.status, 200);
        let again = |job: &Value| job["run"] == run && job["ready"] == true;
        service.until_job("the next run", again).await;
    }
    assert_eq!(service.get("/").await.status, 200);
    assert_eq!(service.only_job().await["run"], 2, "the same job");
}

async fn what_fails_too_often_is_in_error_until_it_is_mended(backend: Backend) {
    let setup = Setup::flags(["--restart-limit", "3"]).on(backend);
    let mut platform = Platform::start_with(setup);
    let service = Service::web(&platform, "web", &[]);
    let broken = ["sh", "-c", "echo no database; exit 3"];
    service.update(&platform, &[], &broken).ok();
    let (status, _) = service.get("/").await.refused();
    assert_eq!(status, 502, "who waited for it is told how it ended");
    let shown = async |platform: &Platform| {
        until_async("it to be given up", async || {
            let shown = platform.cli(["service", "get", "web", "--format", "json"]);
            let shown: Value = serde_json::from_str(&shown.ok()).unwrap();
            if shown["status"] == "error" {
                Ok(text(&shown["reason"]))
            } else {
                Err(shown)
            }
        })
        .await
    };
    let reason = shown(&platform).await;
    assert!(reason.contains("exited with code 3"), "{reason}");
    assert_eq!(service.only_job().await["run"], 2, "three runs");
    let listed = platform.cli(["service", "ls", "--field", "status"]).ok();
    assert_eq!(listed, "error");

    // Asked or not, and by whichever platform, it is not tried again.
    let refused = service.get("/").await;
    assert_eq!(refused.refused(), (503, "service-failed".into()));
    assert!(refused.text().contains("exited with code 3"));
    platform.kill();
    platform.up();
    assert_eq!(shown(&platform).await, reason);
    let refused = service.get("/").await;
    assert_eq!(refused.refused(), (503, "service-failed".into()));
    assert_eq!(service.only_job().await["run"], 2);

    // Started again it has all its tries.
    service.say(&platform, "start");
    let (status, _) = service.get("/").await.refused();
    assert_eq!(status, 502);
    shown(&platform).await;
    assert_eq!(service.only_job().await["run"], 5);

    // And so it has with another revision.
    let mended = ["python3", "-u", "/service/web.py"];
    service.update(&platform, &[], &mended).ok();
    assert_eq!(service.get("/").await.status, 200);
    let status = platform.cli(["service", "get", "web", "--field", "status"]);
    assert_eq!(status.ok(), "on");
}

/// As its pauses get longer, one of them is longer than a request may wait.
#[tokio::test]
async fn who_cannot_wait_for_the_next_try_is_told_when_it_comes() {
    let platform = Platform::start_with(Setup::flags(["--request-wait", "500ms"]));
    let service = Service::shell(&platform, "web", &[], "exit 3");
    let refused = until_async("a longer pause", async || {
        let refused = service.get("/").await;
        match refused.refused() {
            (503, code) if code == "backing-off" => Ok(refused),
            (status, code) => Err((status, code)),
        }
    })
    .await;
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=75).contains(&after), "{after}");
}

/// It was asked for a while ago, and not since.
#[tokio::test]
async fn what_nobody_asks_for_is_not_tried_again() {
    let platform = Platform::start_with(Setup::flags(["--idle-timeout", "2s"]));
    let service = Service::shell(&platform, "web", &[], "exit 3");
    assert_eq!(service.get("/").await.status, 502);
    // What is asked later is given up later.
    let other = Service::web(&platform, "other", &[]);
    let mut runs = Vec::new();
    for run in 0..3 {
        assert_eq!(other.get("/").await.status, 200);
        let stopped = |job: &Value| job["run"] == run && job["state"] == "CANCELLED";
        other.until_job("its job to be stopped", stopped).await;
        let job = service.until_job("its end", |job| job["alive"] == false);
        runs.push(job.await["run"].clone());
    }
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]), "{runs:?}");
    let events = Stored::of(&platform).await.after(0).await;
    let kinds: Vec<_> = events.iter().map(eai_tests::StoredEvent::kind).collect();
    let quiet = kinds.iter().filter(|kind| *kind == "eai.service.quiet.v1");
    assert!(quiet.count() >= 2, "{kinds:?}");
    assert!(!kinds.contains(&"eai.service.gave_up.v1".to_owned()));
    assert_eq!(
        platform
            .cli(["service", "get", "web", "--field", "status"])
            .ok(),
        "on"
    );
}
