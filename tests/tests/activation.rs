//! However many ask, and whatever dies: one job.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use eai_tests::activation::{Options, run};
use eai_tests::{Backend, Platform, Service, on_each_backend, text};

/// Fifty ask at once, and all are answered.
async fn fifty_are_answered(service: &Service) {
    for answer in service.answers(50).await {
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

async fn fifty_at_once_get_one_job(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    fifty_are_answered(&service).await;
    let job = service.only_job().await;
    let id = text(&job["id"]);
    assert_eq!(service.begun(&id).await, 1);

    // The job does not notice that the platform was killed; nor do the next fifty.
    let who = service.get("/who").await.ok();
    platform.kill();
    platform.up();
    fifty_are_answered(&service).await;
    let after = service.only_job().await;
    assert_eq!((&after["id"], &after["run"]), (&job["id"], &0.into()));
    assert_eq!(service.get("/who").await.ok()["pid"], who["pid"]);
    assert_eq!(service.begun(&id).await, 1);
}

async fn a_platform_killed_while_fifty_wait_carries_on(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let crowd = tokio::spawn({
        let service = service.clone();
        async move { service.crowd(50).await }
    });
    service.until_job("a job", |_| true).await;
    platform.kill();
    for status in crowd.await.unwrap() {
        assert!(matches!(status, 0 | 200), "an answer or none: {status}");
    }
    platform.up();
    fifty_are_answered(&service).await;
    let job = service.only_job().await;
    let begun = service.begun(&text(&job["id"])).await;
    assert_eq!(begun, 1, "each run begins once");
}

async fn rounds_with_faults(backend: Backend) {
    let options = Options {
        rounds: 6,
        seed: 3,
        backend,
    };
    let summary = run(&options, |_| {}).await;
    assert!(
        summary.passed(),
        "{summary}\nto see it again: tests/soak/activation --rounds 6 --seed 3 --backend {}",
        backend.name()
    );
    assert_eq!((summary.rounds, summary.jobs), (6, 6));
}

on_each_backend! {
    fifty_at_once_get_one_job,
    a_platform_killed_while_fifty_wait_carries_on,
    rounds_with_faults,
}
