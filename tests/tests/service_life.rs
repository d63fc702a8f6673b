//! The whole life of a service by its verbs: gone back, waited for, followed, stopped in a race, put away, deleted.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Answer, Backend, Platform, Service, on_each_backend, text, until_async};

fn cli(platform: &Platform, arguments: &[&str]) -> String {
    platform.run(arguments, &[]).ok()
}

async fn until_dead(service: &Service) {
    until_async("no job to be alive", async || {
        let jobs = service.jobs().await;
        let alive = jobs.iter().filter(|job| job["alive"] == true).count();
        if alive == 0 { Ok(()) } else { Err(jobs) }
    })
    .await;
}

/// Waits until a job whose service is no more is cancelled.
async fn until_cancelled(service: &Service, job: &str) {
    until_async("its job to end", async || match service.job(job).await {
        job if job["state"] == "CANCELLED" => Ok(()),
        job => Err(job),
    })
    .await;
}

async fn a_rollback_brings_back_what_ran_before(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::of_app(&platform, "web", "rollout.py", &["-e", "VERSION=1"]);
    assert_eq!(service.get("/v").await.text(), "1 /v\n");
    service.update(&platform, &["-e", "VERSION=2"], &[]).ok();
    cli(&platform, &["service", "wait", "web", "--for", "settled"]);
    assert_eq!(service.get("/v").await.text(), "2 /v\n");
    cli(&platform, &["service", "rollback", "web"]);
    cli(&platform, &["service", "wait", "web"]);
    assert_eq!(service.get("/v").await.text(), "1 /v\n");
    // The files are what runs: the next change builds on them.
    let states = [
        "service",
        "revisions",
        "web",
        "--fields",
        "revision,state",
        "--no-header",
    ];
    let states = cli(&platform, &states);
    let states: Vec<_> = states.lines().map(str::trim).collect();
    let last = states.last().unwrap();
    assert!(last.ends_with("serving"), "{states:?}");
    service.update(&platform, &["-e", "OTHER=1"], &[]).ok();
    cli(&platform, &["service", "wait", "web"]);
    assert_eq!(service.get("/v").await.text(), "1 /v\n");
    // What still serves is there at once, and so it says.
    service
        .update(&platform, &[], &["sh", "-c", "sleep 300"])
        .ok();
    cli(&platform, &["service", "rollback", "web"]);
    let settled = [
        "service",
        "wait",
        "web",
        "--for",
        "settled",
        "--timeout",
        "60",
    ];
    cli(&platform, &settled);
    assert_eq!(service.get("/v").await.text(), "1 /v\n");
    let nowhere = platform.run(&["service", "rollback", "web", "--to", "99"], &[]);
    assert_eq!(nowhere.code, 1, "{}", nowhere.err);
    assert!(nowhere.err.contains("no revision 99"), "{}", nowhere.err);
}

#[tokio::test]
async fn a_wait_for_what_does_not_come_says_why() {
    let platform = Platform::on(Backend::Process);
    let service = Service::of_app(&platform, "web", "rollout.py", &["-e", "VERSION=1"]);
    assert_eq!(service.get("/v").await.text(), "1 /v\n");
    let why = |arguments: &[&str]| {
        let waited = platform.run(&[&["service", "wait", "web"], arguments].concat(), &[]);
        assert_eq!(waited.code, 1, "{}", waited.err);
        waited.err
    };
    let stopped = why(&["--for", "stopped"]);
    assert!(stopped.contains("is on"), "{stopped}");
    assert!(stopped.contains("`eai service stop web`"), "{stopped}");
    service
        .update(&platform, &[], &["sh", "-c", "sleep 300"])
        .ok();
    let late = why(&["--timeout", "0.2"]);
    assert!(late.contains("in time"), "{late}");
    service.update(&platform, &[], &["sh", "-c", "exit 3"]).ok();
    let failed = why(&["--for", "settled"]);
    assert!(failed.contains("did not come to answer"), "{failed}");
    assert!(failed.contains("`eai job log "), "{failed}");
    service.say(&platform, "stop");
    let off = why(&[]);
    assert!(off.contains("`eai service start web`"), "{off}");
    service.say(&platform, "deactivate");
    let away = why(&[]);
    assert!(away.contains("`eai service reactivate web`"), "{away}");
}

async fn what_is_deleted_leaves_its_name_and_its_history(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    let job = text(&service.only_job().await["id"]);
    service.say(&platform, "delete");
    let answer = service.get("/").await;
    assert_eq!(answer.refused(), (404, "not-found".to_owned()));
    until_cancelled(&service, &job).await;
    let events = cli(
        &platform,
        &["service", "events", &service.id, "--field", "type"],
    );
    assert!(events.contains("eai.service.deleted.v1"), "{events}");
    for verb in ["get", "start", "delete"] {
        let refused = platform.run(&["service", verb, "web"], &[]);
        assert_eq!(refused.code, 1, "{verb}: {}", refused.out);
    }
    // Another one has the name, and what the first one left.
    let again = Service::empty(&platform, "web");
    assert_ne!(again.id, service.id);
    assert_eq!(again.get("/").await.text(), "web /\n");
    assert_eq!(service.get("/").await.status, 404);
}

async fn what_is_deleted_stays_so_though_the_platform_dies(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = Service::shell(&platform, "web", &[], "exec sleep 600");
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { service.try_get("/").await }
    });
    let job = text(&service.until_state("RUNNING").await["id"]);
    service.say(&platform, "delete");
    platform.signal(rustix::process::Signal::KILL);
    platform.wait();
    drop(waiting.await);
    platform.up();
    until_cancelled(&service, &job).await;
    assert_eq!(service.get("/").await.status, 404);
}

async fn what_is_put_away_keeps_all_that_it_has(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &["-e", "VERSION=kept"]);
    assert_eq!(service.get("/").await.status, 200);
    service.say(&platform, "deactivate");
    assert_eq!(service.get("/").await.refused().0, 503);
    until_dead(&service).await;
    let taken = platform.run(&["service", "new", "web"], &[]);
    assert!(taken.err.contains("name-taken"), "{}", taken.err);
    let start = platform.run(&["service", "start", "web"], &[]);
    assert!(start.err.contains("service-deactivated"), "{}", start.err);
    service.say(&platform, "reactivate");
    assert_eq!(service.get("/").await.text(), "kept /\n");
    assert_eq!(service.jobs().await.len(), 1, "the job it had runs again");
}

async fn a_stop_that_meets_a_first_request_leaves_no_job(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    for round in 0..6 {
        let asked = tokio::spawn({
            let service = service.clone();
            async move { service.crowd(3).await }
        });
        if round % 2 == 1 {
            // It came first, and has a job already.
            let alive = |job: &serde_json::Value| job["alive"] == true;
            service.until_job("a job", alive).await;
        }
        service.say(&platform, "stop");
        let statuses = asked.await.unwrap();
        let clean = statuses
            .iter()
            .all(|status| matches!(status, 200 | 502 | 503));
        assert!(clean, "{statuses:?}");
        assert_eq!(service.get("/").await.refused().0, 503);
        until_dead(&service).await;
        cli(&platform, &["service", "wait", "web", "--for", "stopped"]);
        service.say(&platform, "start");
    }
}

async fn its_output_is_followed_across_its_runs(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    assert_eq!(service.get("/").await.status, 200);
    assert_eq!(cli(&platform, &["service", "logs", "web"]), "begun");
    let answer = platform.run(&["service", "wait", "web", "--field", "status"], &[]);
    assert_eq!(answer.ok(), "on");
    // What cannot come by itself is not waited for.
    service.say(&platform, "stop");
    assert_eq!(platform.run(&["service", "wait", "web"], &[]).code, 1);
    let types = cli(
        &platform,
        &["service", "events", "web", "-n", "1", "--field", "type"],
    );
    assert!(types.contains("eai.service."), "{types}");
    let path = format!("/v1/service/{}/revision", service.id);
    let list = Answer::of(service.api().request(reqwest::Method::GET, &path))
        .await
        .ok();
    let newest = list["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(text(&newest["image"]), "python:3.10");
}

on_each_backend! {
    a_rollback_brings_back_what_ran_before,
    what_is_deleted_leaves_its_name_and_its_history,
    what_is_put_away_keeps_all_that_it_has,
    a_stop_that_meets_a_first_request_leaves_no_job,
}

#[tokio::test]
async fn the_output_of_a_service() {
    its_output_is_followed_across_its_runs(Backend::Process).await;
}

#[tokio::test]
async fn a_deletion_survives_the_platform() {
    what_is_deleted_stays_so_though_the_platform_dies(Backend::Process).await;
}
