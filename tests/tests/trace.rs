//! One id that came with a request is found again in events, in the job, at the application and in log lines.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Answer, Backend, Platform, Service, Setup, Stored, until};
use reqwest::Method;
use serde_json::Value;

const FIRST: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SECOND: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn who(service: &Service, traceparent: &str) -> Value {
    let request = service.request(Method::GET, "/who");
    let answer = Answer::of(request.header("traceparent", traceparent)).await;
    answer.ok()
}

/// The kinds of the events that have a trace context.
async fn with_trace(platform: &Platform, traceparent: &str) -> Vec<String> {
    let events = Stored::of(platform).await.after(0).await;
    let traced = events
        .iter()
        .filter(|event| event.document()["traceparent"] == traceparent);
    traced.map(eai_tests::StoredEvent::kind).collect()
}

async fn followed(backend: Backend) {
    let platform = Platform::start_with(Setup::flags(["--log-format", "json"]).on(backend));
    let web = Service::web(&platform, "web", &[]);
    let seen = who(&web, FIRST).await;
    assert_eq!(seen["headers"]["traceparent"], FIRST);
    assert_eq!(seen["environment"]["TRACEPARENT"], FIRST);
    // Another request, which starts nothing: its own is what the application gets.
    let seen = who(&web, SECOND).await;
    assert_eq!(seen["headers"]["traceparent"], SECOND);
    assert_eq!(seen["environment"]["TRACEPARENT"], FIRST);
    assert_eq!(
        who(&web, "not a trace").await["headers"]["traceparent"],
        "not a trace"
    );

    let kinds = with_trace(&platform, FIRST).await;
    for kind in [
        "eai.service.activated.v1",
        "eai.job.submitted.v1",
        "eai.job.claimed.v1",
        "eai.job.started.v1",
        "eai.job.ready.v1",
    ] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
    assert_eq!(with_trace(&platform, SECOND).await, Vec::<String>::new());

    let job = web.only_job().await["id"].clone();
    let line = until("a log line about the run", || {
        let log = platform.log();
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = lines
            .into_iter()
            .find(|line| line["job"] == job && line["what"] == "started");
        found.ok_or(log)
    });
    assert_eq!(
        (&line["trace"], &line["level"]),
        (&FIRST.into(), &"INFO".into())
    );
    assert_eq!(line["run"], 0);
    assert!(
        line["timestamp"].is_string() && line["target"].is_string(),
        "{line}"
    );
}

#[tokio::test]
async fn a_request_is_followed_into_a_sandbox() {
    followed(Backend::Process).await;
}

#[tokio::test]
async fn a_request_is_followed_into_a_container() {
    if Backend::Docker.is_there() {
        followed(Backend::Docker).await;
    }
}

#[tokio::test]
async fn a_command_is_followed_to_what_came_of_it() {
    let platform = Platform::on(Backend::Process);
    let web = Service::web(&platform, "web", &[]);
    assert_eq!(web.get("/").await.status, 200);
    let first = web.only_job().await;
    let restart = web.api().request(Method::POST, "/v1/service/web/restart");
    Answer::of(restart.header("traceparent", FIRST)).await.ok();
    let next = web.until_job("the next one to be ready", |job| {
        job["id"] != first["id"] && job["ready"] == true
    });
    next.await;
    let kinds = with_trace(&platform, FIRST).await;
    for kind in [
        "eai.service.restarted.v1",
        "eai.job.submitted.v1",
        "eai.job.ready.v1",
    ] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
}
