//! Workers by the Runtime API, word by word.

mod common;
mod worker;

use common::{command, kill, processes, says, sh};
use eai_executors::backend::{Answer, PAYLOAD_MAX, Signal, Still, WorkerState};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use worker::*;

#[tokio::test]
async fn a_task_is_handed_over_answered_and_acknowledged() {
    let platform = common::Platform::new().await;
    let running = platform.start(&worker(sh("a.0.1", "sleep 1000"))).await;
    let mut here = Platform::attach(&running).await;
    assert_eq!(here.incarnation.len(), 32);
    assert_eq!(here.beat.state, WorkerState::Starting);
    let mut waits = running.connect(9001).await.unwrap();
    ask(&mut waits, "GET", "invocation/next", "", b"").await;
    here.until("it waits", |here| here.beat.state == WorkerState::Running)
        .await;
    let mut task = invocation("id-1", 3, r#"{"n": 1}"#);
    task.trace_id = Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned());
    task.client_context = Some(r#"{"a":1}"#.to_owned());
    task.cognito_identity = Some(r#"{"b":2}"#.to_owned());
    here.invoke(task).await;
    let handed = answer(&mut waits).await;
    assert_eq!((handed.status, &*handed.body), (200, r#"{"n": 1}"#));
    for (name, value) in [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", "id-1"),
        ("lambda-runtime-deadline-ms", "4000000000000"),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eai:000000000000:function:test",
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        ),
        ("lambda-runtime-client-context", r#"{"a":1}"#),
        ("lambda-runtime-cognito-identity", r#"{"b":2}"#),
    ] {
        assert_eq!(handed.header(name), Some(value), "{name}");
    }
    here.until("it works", |here| {
        here.beat.state == WorkerState::Processing
    })
    .await;
    let held = here.beat.held.clone().unwrap();
    assert_eq!((&*held.id, held.attempt), ("id-1", 3));
    assert!(held.begun.is_some() && here.beat.pid.is_some());
    let said = call(&running, "POST", "invocation/id-1/response", b"[1, 2]").await;
    assert_eq!((said.status, &*said.body), (202, r#"{"status":"OK"}"#));
    let outcome = here.outcome().await;
    assert_eq!((&*outcome.id, outcome.attempt), ("id-1", 3));
    assert_eq!(result(&outcome), json!([1, 2]));
    assert!(outcome.begun > 0 && outcome.ended >= outcome.begun);
    // Nothing is left of it for a platform that comes later.
    here.until("it waits", |here| here.beat.held.is_none())
        .await;
    let mut later = Platform::attach(&running).await;
    later.invoke(invocation("id-2", 1, "null")).await;
    later
        .until("it has another one", |later| {
            later
                .beat
                .held
                .as_ref()
                .is_some_and(|held| held.id == "id-2")
        })
        .await;
    assert!(later.outcomes.is_empty());
    running.remove().await.unwrap();
}

#[tokio::test]
async fn it_goes_on_without_a_platform_and_its_answer_is_kept() {
    let platform = common::Platform::new().await;
    let running = platform.start(&worker(sh("a.0.1", "sleep 1000"))).await;
    let mut waits = running.connect(9001).await.unwrap();
    ask(&mut waits, "GET", "invocation/next", "", b"").await;
    let mut first = Platform::attach(&running).await;
    first
        .until("it waits", |here| here.beat.state == WorkerState::Running)
        .await;
    let (incarnation, pid) = (first.incarnation.clone(), first.beat.pid);
    drop(first);
    // Whoever waits has noticed nothing.
    let mut second = Platform::attach(&running).await;
    assert_eq!(second.incarnation, incarnation);
    assert_eq!(second.beat.pid, pid);
    second.invoke(invocation("a", 1, "{}")).await;
    assert_eq!(answer(&mut waits).await.status, 200);
    let mut third = Platform::attach(&running).await;
    assert_eq!(third.beat.held.as_ref().unwrap().id, "a");
    // The older one is not talked to any more.
    while second.hear().await {}
    let said = call(&running, "POST", "invocation/a/response", b"7").await;
    assert_eq!(said.status, 202);
    third
        .until("it hears of it", |here| !here.outcomes.is_empty())
        .await;
    drop(third);
    let mut fourth = Platform::attach(&running).await;
    assert_eq!(fourth.beat.held, None);
    assert_eq!(result(&fourth.outcome().await), json!(7));
    running.remove().await.unwrap();
}

#[tokio::test]
async fn what_was_answered_before_the_end_is_found_after_it() {
    let platform = common::Platform::new().await;
    let running = platform.start(&worker(sh("a.0.1", "sleep 1000"))).await;
    let mut here = Platform::attach(&running).await;
    for id in ["a", "b"] {
        here.invoke(invocation(id, 1, "{}")).await;
        assert_eq!(
            call(&running, "GET", "invocation/next", b"").await.status,
            200
        );
        let path = format!("invocation/{id}/response");
        assert_eq!(call(&running, "POST", &path, b"{}").await.status, 202);
    }
    here.outcome().await;
    here.until("it hears of both", |here| !here.outcomes.is_empty())
        .await;
    drop(here);
    running.signal(Signal::Kill).await.unwrap();
    common::wait(&running).await;
    let left = running.left().unwrap().outcomes;
    let left: Vec<_> = left.iter().map(|outcome| &*outcome.id).collect();
    assert_eq!(left, ["b"]);
    running.remove().await.unwrap();
}

#[tokio::test]
async fn nonsense_is_refused_and_does_no_harm() {
    let platform = common::Platform::new().await;
    let running = platform.start(&worker(sh("a.0.1", "sleep 1000"))).await;
    let mut here = Platform::attach(&running).await;
    for (method, path, status, kind) in [
        ("POST", "invocation/none/response", 400, "InvalidRequestID"),
        ("POST", "invocation/none/error", 400, "InvalidRequestID"),
        ("POST", "invocation//response", 400, "InvalidRequestID"),
        ("GET", "invocation/none", 404, "NotFound"),
        ("GET", "", 404, "NotFound"),
        ("POST", "invocation/none/else", 404, "NotFound"),
        ("POST", "invocation/next", 405, "MethodNotAllowed"),
        ("GET", "invocation/none/response", 405, "MethodNotAllowed"),
        ("PUT", "init/error", 405, "MethodNotAllowed"),
    ] {
        let said = call(&running, method, path, b"{}").await;
        assert_eq!(said.status, status, "{method} {path}");
        assert_eq!(said.error_type(), kind, "{method} {path}");
    }
    for noise in [
        &b"\0\xff\n\n\n"[..],
        b"GET / HTTP/9\r\n\r\n",
        &vec![b'x'; 100_000],
    ] {
        let mut stream = running.connect(9001).await.unwrap();
        stream.write_all(noise).await.ok();
        drop(stream);
    }
    // One task at a time, and each is answered once.
    here.invoke(invocation("a", 1, "{}")).await;
    here.invoke(invocation("b", 1, "{}")).await;
    here.until("it is busy", |here| here.busy == ["b"]).await;
    assert_eq!(
        call(&running, "POST", "invocation/a/response", b"1")
            .await
            .status,
        400
    );
    assert_eq!(
        call(&running, "GET", "invocation/next", b"").await.status,
        200
    );
    let again = call(&running, "GET", "invocation/next", b"").await;
    assert_eq!(
        (again.status, &*again.error_type()),
        (403, "InvalidStateTransition")
    );
    // Half an answer is none.
    let mut stream = running.connect(9001).await.unwrap();
    let half = "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1";
    stream.write_all(half.as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(
        call(&running, "POST", "invocation/a/response", b"{")
            .await
            .status,
        202
    );
    let Answer::Error(failure) = here.outcome().await.answer else {
        panic!("that was no JSON");
    };
    assert_eq!(failure.kind, "Runtime.InvalidResponse");
    for path in ["invocation/a/response", "invocation/a/error"] {
        let again = call(&running, "POST", path, b"1").await;
        assert_eq!(
            (again.status, &*again.error_type()),
            (403, "InvalidStateTransition")
        );
    }
    assert!(here.outcomes.is_empty());
    running.remove().await.unwrap();
}

#[tokio::test]
async fn payloads_are_as_large_as_aws_has_them() {
    let platform = common::Platform::new().await;
    let running = platform.start(&worker(sh("a.0.1", "sleep 1000"))).await;
    let mut here = Platform::attach(&running).await;
    let event = format!("\"{}\"", "y".repeat(PAYLOAD_MAX - 2));
    for (size, status) in [(PAYLOAD_MAX, 202), (PAYLOAD_MAX + 1, 413)] {
        let text = format!("\"{}\"", "x".repeat(size - 2));
        here.invoke(invocation("a", 1, &event)).await;
        let handed = call(&running, "GET", "invocation/next", b"").await;
        assert!(handed.body == event);
        let said = call(&running, "POST", "invocation/a/response", text.as_bytes()).await;
        assert_eq!(said.status, status);
        match (status, here.outcome().await.answer) {
            (202, Answer::Response(result)) => assert_eq!(result.get(), text),
            (413, Answer::Error(failure)) => {
                assert_eq!(failure.kind, "Function.ResponseSizeTooLarge");
            }
            (_, other) => panic!("{other:?}"),
        }
    }
    running.remove().await.unwrap();
}

#[tokio::test]
async fn errors_are_told() {
    let platform = common::Platform::new().await;
    let running = platform.start(&worker(sh("a.0.1", "sleep 1000"))).await;
    let mut here = Platform::attach(&running).await;
    let error =
        br#"{"errorMessage": "no", "errorType": "ValueError", "stackTrace": ["one", "two"]}"#;
    assert_eq!(
        call(&running, "POST", "init/error", error).await.status,
        202
    );
    here.until("it could not begin", |here| here.beat.failure.is_some())
        .await;
    let failure = here.beat.failure.clone().unwrap();
    assert_eq!((&*failure.kind, &*failure.message), ("ValueError", "no"));
    here.invoke(invocation("a", 1, "{}")).await;
    assert_eq!(
        call(&running, "GET", "invocation/next", b"").await.status,
        200
    );
    assert_eq!(
        call(&running, "POST", "init/error", error).await.status,
        403
    );
    let mut stream = running.connect(9001).await.unwrap();
    let headers = "lambda-runtime-function-error-type: Mine\r\n";
    ask(
        &mut stream,
        "POST",
        "invocation/a/error",
        headers,
        b"{\"errorMessage\": \"no\"}",
    )
    .await;
    assert_eq!(answer(&mut stream).await.status, 202);
    let Answer::Error(failure) = here.outcome().await.answer else {
        panic!("it failed");
    };
    assert_eq!((&*failure.kind, &*failure.message), ("Mine", "no"));
    running.remove().await.unwrap();
}

#[tokio::test]
async fn what_it_writes_meanwhile_are_the_logs_of_a_task() {
    let platform = common::Platform::new().await;
    let running = platform
        .start(&worker(command("a.0.1", &["python3", "-c", IMPATIENT])))
        .await;
    let mut here = Platform::attach(&running).await;
    for number in 0..20 {
        let id = format!("task-{number}");
        here.invoke(invocation(&id, 1, &number.to_string())).await;
        let outcome = here.outcome().await;
        assert_eq!(result(&outcome), json!(number));
        let mut logs: Vec<_> = outcome.logs.lines().collect();
        // What is written to two pipes has no order.
        logs.retain(|line| !matches!(*line, "did it" | "boots"));
        logs.sort_unstable();
        assert_eq!(logs, [&*format!("does {number}"), "with an error"]);
    }
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_stopped_or_frozen_says_so() {
    let platform = common::Platform::new().await;
    let script = "echo up; exec sleep 27182.8";
    let running = platform.start(&worker(sh("a.0.1", script))).await;
    says(&running, "up").await;
    let mut here = Platform::attach(&running).await;
    assert_eq!(here.beat.still, None);
    let sent = |signal| {
        for pid in processes("sleep 27182.8") {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, signal).unwrap();
        }
    };
    sent(rustix::process::Signal::STOP);
    here.until("it is stopped", |here| {
        here.beat.still == Some(Still::Stopped)
    })
    .await;
    sent(rustix::process::Signal::CONT);
    here.until("it goes on", |here| here.beat.still.is_none())
        .await;
    running.freeze().await.unwrap();
    here.until("it is frozen", |here| here.beat.still.is_some())
        .await;
    running.thaw().await.unwrap();
    here.until("it goes on", |here| here.beat.still.is_none())
        .await;
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_worker_goes_on_when_the_platform_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let run = worker(command("a.0.1", &["python3", "-c", IMPATIENT]));
    let mut first = common::platform_process(&runs, &run);
    kill(first.id());
    first.wait().unwrap();
    let process = common::process(&runs).await;
    let running = process.found().await.unwrap().remove(0).running;
    let mut here = Platform::attach(&running).await;
    here.invoke(invocation("a", 1, "8")).await;
    assert_eq!(result(&here.outcome().await), json!(8));
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_no_worker_has_no_conversation() {
    let platform = common::Platform::new().await;
    let running = platform.start(&sh("a.0.1", "sleep 1000")).await;
    assert!(running.connect(9001).await.is_err());
    let mut conversation = running.worker().await.unwrap();
    assert!(conversation.hear().await.unwrap().is_none());
    running.remove().await.unwrap();
}
