//! The first minutes with a service: made, pushed, used, changed, stopped.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;

use eai_tests::{Answer, Backend, Platform, Service, app, text, until};
use reqwest::Method;

eai_tests::on_each_backend! {
    the_walk,
    a_new_service_shows_that_it_runs,
}

fn contents(platform: &Platform) -> String {
    let runtime = "snow.testacc.testsvc_runtime";
    platform.cli(["data", "content", "ls", runtime]).ok()
}

/// The cells of a table's row.
fn words(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

async fn the_walk(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::empty(&platform, "testsvc");
    let file = platform.path("server.py");
    fs::copy(app("web.py"), &file).unwrap();
    service.push(&platform, &file);
    let image = backend.image();
    let flags = ["--i", &image, "--cpu", "1", "--mem", "1"];
    let command = ["python3", "-u", "/service/server.py"];
    service.update(&platform, &flags, &command).ok();
    let list = contents(&platform);
    assert_eq!(list, "name       status\neai.yaml   new\nserver.py  new");

    // The first request starts the job; the next ones go to it.
    for path in ["/", "/again"] {
        let answer = service.get(path).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, format!("web {path}\n"))
        );
    }
    let job = service.only_job().await;
    let id = text(&job["id"]);
    assert_eq!(
        (&job["state"], &job["runs"][0]["exitCode"]),
        (&"RUNNING".into(), &().into())
    );
    assert_eq!(
        (&job["imageIgnored"], &job["backend"], &job["alive"]),
        (
            &(backend == Backend::Process).into(),
            &backend.name().into(),
            &true.into()
        )
    );
    let ran = (backend == Backend::Docker).then(|| backend.image());
    assert_eq!(job["runs"][0]["image"], serde_json::json!(ran));
    let url = text(&job["accessUrl"]);
    let list = platform.cli(["job", "ls", "--service", &service.id]).ok();
    let rows: Vec<Vec<&str>> = list.lines().map(words).collect();
    let header = [
        "id",
        "state",
        "name",
        "created",
        "command",
        "runs.exitCode",
        "accessUrl",
    ];
    let created = text(&job["created"]);
    let command = "python3,-u,/service/server.py";
    let row = [&id, "RUNNING", "-", &created, command, "-", &url];
    assert_eq!(rows, [header, row]);
    let host = url.strip_prefix("http://").unwrap();
    assert!(host.starts_with(&format!("{id}.job.")), "{url}");
    let answer = Answer::of(service.request_to(host, "/own")).await;
    assert_eq!((answer.status, answer.text()), (200, "web /own\n".into()));

    // What it ran is known of each file.
    let list = contents(&platform);
    assert_eq!(
        list,
        "name       status\neai.yaml   unchanged\nserver.py  unchanged"
    );

    // Off: no job, no URL.
    service.say(&platform, "stop");
    let answer = service.get("/").await;
    assert_eq!(
        (answer.refused().0, answer.header("retry-after").is_some()),
        (503, true)
    );
    let job = service
        .until_job("no job alive", |job| job["alive"] == false)
        .await;
    assert_eq!(
        (&job["state"], &job["accessUrl"]),
        (&"CANCELLED".into(), &"".into())
    );
    until("nothing left of its runs", || match platform.leftovers() {
        left if left.is_empty() => Ok(()),
        left => Err(left),
    });

    // On again: the job that was cancelled runs again.
    service.say(&platform, "start");
    assert_eq!(service.get("/").await.status, 200);
    let again = service.until_state("RUNNING").await;
    assert_eq!((&again["id"], &again["run"]), (&job["id"], &1.into()));

    // What is pushed while it is off runs once it is on.
    service.say(&platform, "stop");
    let mut source = fs::read_to_string(&file).unwrap();
    source.push_str("# changed\n");
    fs::write(&file, source).unwrap();
    service.push(&platform, &file);
    assert_eq!(
        contents(&platform),
        "name       status\neai.yaml   unchanged\nserver.py  modified"
    );
    service.say(&platform, "start");
    assert_eq!(service.get("/").await.status, 200);
    assert_eq!(service.jobs().await.len(), 2, "a job of the new version");
    assert!(!contents(&platform).contains("modified"));
}

async fn a_new_service_shows_that_it_runs(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::empty(&platform, "testsvc");
    let answer = service.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.text().contains("Service is Running"),
        "{}",
        answer.text()
    );
    let list = contents(&platform);
    assert_eq!(
        list,
        "name        status\neai.yaml    unchanged\nindex.html  unchanged"
    );
    let other = Answer::of(service.request(Method::GET, "/nothing")).await;
    assert_eq!(other.status, 404, "the application's own answer");
    assert_eq!(
        other.header("content-type"),
        Some("text/html;charset=utf-8")
    );
}
