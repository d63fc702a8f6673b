//! How services and their jobs change: stopped, updated, bounded, out of memory.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::time::{Duration, Instant};

use eai_tests::{Answer, Backend, Platform, Service, text, until_async};
use serde_json::Value;

eai_tests::on_each_backend! {
    ready_is_who_answers_on_the_path,
    the_port_is_the_one_of_the_spec,
    a_stop_answers_those_who_wait,
    stopped_and_started_again_at_once_it_answers,
    the_old_version_answers_until_the_new_one_does,
    a_run_has_its_time,
    out_of_memory_is_told,
    what_a_job_prints_is_kept_as_it_is,
}

async fn a_stop_answers_those_who_wait(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::shell(&platform, "web", &[], "exec sleep 600");
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { service.crowd(10).await }
    });
    service.until_state("RUNNING").await;
    let begun = Instant::now();
    service.say(&platform, "stop");
    assert_eq!(waiting.await.unwrap(), [503; 10]);
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    let job = service.until_state("CANCELLED").await;
    assert_eq!(service.jobs().await.len(), 1, "{job:#}");
}

async fn stopped_and_started_again_at_once_it_answers(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    for round in 0..5 {
        assert_eq!(service.get("/").await.status, 200, "{round}");
        service.say(&platform, "stop");
        service.say(&platform, "start");
    }
    assert_eq!(service.get("/").await.status, 200);
    // Each time what was cancelled runs again, and one at a time is alive.
    let jobs = service.jobs().await;
    let alive = jobs.iter().filter(|job| job["alive"] == true);
    assert_eq!(alive.count(), 1, "{jobs:#?}");
}

async fn the_old_version_answers_until_the_new_one_does(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &["-e", "VERSION=old"]);
    assert_eq!(service.get("/").await.text(), "old /\n");
    let old = text(&service.only_job().await["id"]);
    let slow = ["sh", "-c", "sleep 2; exec python3 -u /service/web.py"];
    service
        .update(&platform, &["-e", "VERSION=new"], &slow)
        .ok();
    let mut seen = Vec::new();
    until_async("the new one to answer", async || {
        let answer = service.get("/").await;
        assert_eq!(answer.status, 200, "no request is lost: {}", answer.text());
        let text = answer.text();
        if seen.last() != Some(&text) {
            seen.push(text.clone());
        }
        if text == "new /\n" { Ok(()) } else { Err(text) }
    })
    .await;
    assert_eq!(seen, ["old /\n", "new /\n"]);
    until_async("the old job to be cancelled", async || {
        let job = service.job(&old).await;
        if job["state"] == "CANCELLED" {
            Ok(())
        } else {
            Err(job)
        }
    })
    .await;
    let jobs = service.jobs().await;
    let states: Vec<_> = jobs.iter().map(|job| text(&job["state"])).collect();
    assert_eq!(states, ["RUNNING", "CANCELLED"]);
    assert_eq!(service.get("/").await.text(), "new /\n");
}

async fn the_port_is_the_one_of_the_spec(backend: Backend) {
    let platform = Platform::on(backend);
    let flags = ["--port", "9000", "-e", "PORT=9000"];
    let service = Service::web(&platform, "web", &flags);
    assert_eq!(service.get("/").await.status, 200);
    // Any other port of the job is asked for by the URL.
    let script = "python3 -m http.server 7000 --directory /tmp >/dev/null 2>&1 & \
                  exec python3 -u /service/web.py";
    service.update(&platform, &[], &["sh", "-c", script]).ok();
    let host = service.host.replacen(".service.", "-7000.service.", 1);
    until_async("the other port to answer", async || {
        let answer = Answer::of(service.request_to(&host, "/")).await;
        let listing = answer.text().contains("Directory listing");
        if answer.status == 200 && listing {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    assert_eq!(service.get("/").await.text(), "web /\n");
}

async fn ready_is_who_answers_on_the_path(backend: Backend) {
    let platform = Platform::on(backend);
    // It listens at once, and is ready only when the file is there.
    let script = "mkdir /tmp/www; (sleep 1; touch /tmp/www/healthy) & \
                  exec python3 -m http.server 8080 --directory /tmp/www";
    let flags = ["--readiness-path", "/healthy"];
    let service = Service::shell(&platform, "web", &flags, script);
    let answer = service.get("/healthy").await;
    assert_eq!(answer.status, 200, "not asked before: {}", answer.text());
}

/// A job's newest run, once it failed.
async fn failed_run(service: &Service, job: &str) -> Value {
    until_async("the run to be over", async || {
        let job = service.job(job).await;
        let run = job["runs"][0].clone();
        if run["state"] == "FAILED" {
            Ok(run)
        } else {
            Err(job)
        }
    })
    .await
}

async fn a_run_has_its_time(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &["--max-run-time", "2"]);
    assert_eq!(service.get("/").await.status, 200);
    let id = text(&service.only_job().await["id"]);
    let run = failed_run(&service, &id).await;
    assert_eq!(run["reason"], "max-run-time");
}

async fn out_of_memory_is_told(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &["--mem", "0.125"]);
    assert_eq!(service.get("/").await.status, 200);
    let id = text(&service.only_job().await["id"]);
    let answer = service.try_get("/memory").await;
    let cut = answer.map_or(true, |answer| answer.status == 502);
    assert!(cut, "its job was killed");
    let run = failed_run(&service, &id).await;
    assert_eq!(run["reason"], "out-of-memory", "{run:#}");
    // The next request is answered.
    assert_eq!(service.get("/").await.status, 200);
}

async fn what_a_job_prints_is_kept_as_it_is(backend: Backend) {
    let platform = Platform::on(backend);
    let script = "printf 'one'; printf ' two\\n'; echo three >&2; exit 3";
    let service = Service::shell(&platform, "web", &[], script);
    assert_eq!(service.get("/").await.status, 502);
    let jobs = service.jobs().await;
    let id = text(&jobs.last().unwrap()["id"]);
    let log = platform.cli(["job", "log", &id, "--run", "0"]);
    assert_eq!(
        (log.code, log.out.as_str(), log.err.as_str()),
        (0, "one two\n", "three\n")
    );
}
