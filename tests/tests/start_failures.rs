//! Commands that do not come to answer: what a request is told, and what the job says.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::time::{Duration, Instant};

use eai_tests::{Answer, Backend, Platform, Service, Setup, text, until_async};
use serde_json::Value;

eai_tests::on_each_backend! {
    a_command_that_exits_is_told_with_its_last_lines,
    a_program_that_is_not_there_is_told,
    a_job_that_never_listens_is_ended,
    a_job_on_another_port_is_told_which,
    a_client_that_goes_away_harms_nobody,
}

/// The words of a 502 of a start that failed: its message, and the job's last lines.
#[track_caller]
fn start_failed(answer: &Answer) -> (String, Vec<String>) {
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.header("x-eai-error"), Some("start-failed"));
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let lines = body["error"]["output"].as_array().cloned();
    let lines = lines.unwrap_or_default();
    (
        text(&body["error"]["message"]),
        lines.iter().map(text).collect(),
    )
}

async fn a_command_that_exits_is_told_with_its_last_lines(backend: Backend) {
    let platform = Platform::on(backend);
    for (code, state) in [(0, "SUCCEEDED"), (3, "FAILED")] {
        let name = format!("exits_{code}");
        let script = format!("echo first; echo last words >&2; exit {code}");
        let service = Service::shell(&platform, &name, &[], &script);
        let (message, mut lines) = start_failed(&service.get("/").await);
        let expected = format!("exited with code {code} before it listened on port 8080");
        assert!(message.contains(&expected), "{message}");
        // What came over two streams has no order between them.
        lines.sort_unstable();
        assert_eq!(lines, ["first", "last words"]);
        let jobs = service.jobs().await;
        let first = service.job(&text(&jobs.last().unwrap()["id"])).await;
        let run = &first["runs"][0];
        assert_eq!(
            (&run["state"], &run["exitCode"], &run["reason"]),
            (&state.into(), &code.into(), &"exit".into())
        );
    }
}

async fn a_program_that_is_not_there_is_told(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::empty(&platform, "web");
    service.update(&platform, &[], &["no-such-program"]).ok();
    let (message, lines) = start_failed(&service.get("/").await);
    let said = format!("{message} {lines:?}");
    assert!(said.contains("no-such-program"), "{said}");
    let job = service.until_state("FAILED").await;
    assert_eq!(job["runs"][0]["exitCode"], 127, "{job:#}");
}

#[tokio::test]
async fn a_request_waits_no_longer_than_asked() {
    let platform = Platform::start_with(Setup::flags(["--request-wait", "2s"]));
    let service = Service::shell(&platform, "web", &[], "echo here; exec sleep 600");
    let begun = Instant::now();
    let answer = service.get("/").await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let (status, _) = answer.refused();
    assert_eq!(
        (status, answer.header("retry-after").is_some()),
        (503, true)
    );
    assert!(
        answer.text().contains("not ready within 2 s"),
        "{}",
        answer.text()
    );
    // It is still being brought up.
    let job = service.only_job().await;
    assert_eq!(
        (&job["state"], &job["ready"]),
        (&"RUNNING".into(), &false.into())
    );
}

async fn a_job_that_never_listens_is_ended(backend: Backend) {
    let platform = Platform::start_with(Setup::flags(["--start-timeout", "2s"]).on(backend));
    let service = Service::shell(&platform, "web", &[], "echo here; exec sleep 600");
    let (_, lines) = start_failed(&service.get("/").await);
    assert_eq!(lines, ["here"]);
    let jobs = service.jobs().await;
    let job = service.job(&text(&jobs[0]["id"])).await;
    let run = &job["runs"][0];
    assert_eq!(
        (&run["state"], &run["reason"]),
        (&"FAILED".into(), &"start-timeout".into())
    );
}

async fn a_job_on_another_port_is_told_which(backend: Backend) {
    let platform = Platform::start_with(Setup::flags(["--start-timeout", "8s"]).on(backend));
    let service = Service::web(&platform, "web", &["-e", "PORT=3000"]);
    let (message, _) = start_failed(&service.get("/").await);
    assert!(
        message.contains("nothing listens on port 8080") && message.contains("listens on 3000"),
        "{message}"
    );
    // It is said what to do, and that works.
    service.update(&platform, &["--port", "3000"], &[]).ok();
    assert_eq!(service.get("/").await.status, 200);
}

#[tokio::test]
async fn a_job_on_the_loopback_address_is_reached() {
    let platform = Platform::start();
    for (name, address) in [("four", "127.0.0.1"), ("any", "0.0.0.0")] {
        let variable = format!("ADDRESS={address}");
        let service = Service::web(&platform, name, &["-e", &variable]);
        assert_eq!(service.get("/").await.status, 200, "{address}");
    }
}

async fn a_client_that_goes_away_harms_nobody(backend: Backend) {
    let platform = Platform::on(backend);
    let slow = "sleep 1; exec python3 -u /service/web.py";
    let service = Service::web(&platform, "web", &[]);
    service.update(&platform, &[], &["sh", "-c", slow]).ok();
    let impatient = service
        .request(reqwest::Method::GET, "/")
        .timeout(Duration::from_millis(300));
    let gone = Answer::try_of(impatient).await;
    assert!(gone.is_err_and(|error| error.is_timeout()));
    until_async("the job to be ready all the same", async || {
        let jobs = service.jobs().await;
        match jobs.as_slice() {
            [job] if job["ready"] == true => Ok(()),
            _ => Err(jobs),
        }
    })
    .await;
    assert_eq!(service.get("/").await.status, 200);
    let id = text(&service.only_job().await["id"]);
    assert_eq!(service.begun(&id).await, 1);
}

#[tokio::test]
async fn in_a_container_it_is_told_that_loopback_is_not_reached() {
    if !Backend::Docker.is_there() {
        return;
    }
    let setup = Setup::flags(["--start-timeout", "8s"]).on(Backend::Docker);
    let platform = Platform::start_with(setup);
    let service = Service::web(&platform, "web", &["-e", "ADDRESS=127.0.0.1"]);
    let (message, _) = start_failed(&service.get("/").await);
    assert!(message.contains("let it listen on 0.0.0.0"), "{message}");
    service
        .update(&platform, &["-e", "ADDRESS=0.0.0.0"], &[])
        .ok();
    assert_eq!(service.get("/").await.status, 200);
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_told_and_never_replaced() {
    if !Backend::Docker.is_there() {
        return;
    }
    let platform = Platform::on(Backend::Docker);
    let service = Service::web(&platform, "web", &["--i", "127.0.0.1:9/no/such:image"]);
    let (message, lines) = start_failed(&service.get("/").await);
    assert!(message.contains("127.0.0.1:9/no/such:image"), "{message}");
    let default = format!(
        "default image of this platform is `{}`",
        Backend::Docker.image()
    );
    assert!(message.contains(&default), "{message}");
    assert!(lines[0].contains("pulling the image"), "{lines:?}");
    let job = service.until_state("FAILED").await;
    assert_eq!(job["runs"][0]["reason"], "image-missing", "{job:#}");
}
