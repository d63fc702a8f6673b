//! The crate `lambda_runtime`, unchanged, as a worker in a sandbox.

mod common;
mod worker;

use std::sync::atomic::{AtomicU64, Ordering};

use common::{command, mount};
use eai_executors::backend::Answer;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use worker::*;

/// Where this program is in the sandbox.
const PROGRAM: &str = "/program";

/// Not a test of its own: what the other one runs in a sandbox.
#[tokio::test(flavor = "current_thread")]
#[ignore = "it is a worker, and needs a shim"]
async fn worker_process() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let handler = async |event: LambdaEvent<Value>| {
        let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        let (event, context) = event.into_parts();
        if event["fail"] == true {
            return Err(lambda_runtime::Error::from("it was told to"));
        }
        println!("does {event}");
        Ok(
            json!({ "event": event, "id": context.request_id, "count": count,
                   "arn": context.invoked_function_arn, "name": context.env_config.function_name }),
        )
    };
    lambda_runtime::run(service_fn(handler)).await.unwrap();
}

#[tokio::test]
async fn the_crate_works_unchanged() {
    let platform = common::Platform::new().await;
    let worker_process = [
        PROGRAM,
        "worker_process",
        "--exact",
        "--ignored",
        "--nocapture",
    ];
    let mut run = worker(command("a.0.1", &worker_process));
    run.mounts = vec![mount(&std::env::current_exe().unwrap(), PROGRAM)];
    run.env = [
        ("AWS_LAMBDA_FUNCTION_NAME", "test"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "test"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "test"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let running = platform.start(&run).await;
    let mut here = Platform::attach(&running).await;
    for count in 1..=3 {
        let id = format!("task-{count}");
        here.invoke(invocation(&id, 1, "{\"x\":1}")).await;
        let outcome = here.outcome().await;
        assert_eq!(
            result(&outcome),
            json!({ "event": { "x": 1 }, "id": id, "count": count, "name": "test",
                    "arn": "arn:aws:lambda:eai:000000000000:function:test" })
        );
        assert_eq!(outcome.logs.lines().last(), Some("does {\"x\":1}"));
    }
    here.invoke(invocation("bad", 1, "{\"fail\":true}")).await;
    let Answer::Error(failure) = here.outcome().await.answer else {
        panic!("it was told to fail");
    };
    assert_eq!(failure.message, "it was told to");
    here.invoke(invocation("good", 1, "{}")).await;
    assert_eq!(result(&here.outcome().await)["count"], 5);
    running.remove().await.unwrap();
}
