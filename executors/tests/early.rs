//! Sandboxes that are made before it is known whether their runs are wanted.

mod common;

use common::*;

/// The first process of a sandbox, once that is finished; its command is not begun by then.
fn is_made(platform: &Platform, name: &str) -> bool {
    platform.runs().join(name).join("first.json").exists()
}

#[tokio::test]
async fn a_command_is_held_until_its_run_is_started() {
    let platform = Platform::new().await;
    let run = sh("early.0.1", "echo begun");
    platform.process.make_early(&run, || true).await.unwrap();
    until("the sandbox to be made", || is_made(&platform, "early.0.1")).await;
    assert!(!platform.runs().join("early.0.1/started.json").exists());
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    assert_eq!(said(&running).await, "begun\n");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_not_wanted_any_more_leaves_nothing() {
    let platform = Platform::new().await;
    let mark = format!("unwanted-{}", std::process::id());
    let run = command("early.0.1", &["sleep", "1000", &mark]);
    platform.process.make_early(&run, || true).await.unwrap();
    until("the sandbox to be made", || is_made(&platform, "early.0.1")).await;
    platform.process.discard("early.0.1").await.unwrap();
    assert!(!platform.runs().join("early.0.1").exists());
    assert_eq!(processes(&mark), [0; 0]);
    // Nor does one that was settled before it was made.
    platform.process.make_early(&run, || false).await.unwrap();
    assert!(!platform.runs().join("early.0.1").exists());
    platform.process.discard("early.0.1").await.unwrap();
}

#[tokio::test]
async fn what_was_made_early_is_made_once() {
    let platform = Platform::new().await;
    let run = sh("early.0.1", "echo begun; sleep 1000");
    let (first, second) = tokio::join!(
        platform.process.make_early(&run, || true),
        platform.process.make_early(&run, || true),
    );
    first.unwrap();
    second.unwrap();
    let running = platform.start(&run).await;
    says(&running, "begun").await;
    let again = platform.start(&run).await;
    assert_eq!(again.started().unwrap(), running.started().unwrap());
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_run_that_an_earlier_platform_held_is_found_and_begins_when_it_is_let_go() {
    let platform = Platform::new().await;
    let run = sh("early.0.1", "echo begun");
    platform.process.make_early(&run, || true).await.unwrap();
    until("the sandbox to be made", || is_made(&platform, "early.0.1")).await;
    let next = process(&platform.runs()).await;
    let found = next.found().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].running.started().unwrap(), None);
    found[0].running.begin().await.unwrap();
    assert_eq!(said(&found[0].running).await, "begun\n");
    found[0].running.remove().await.unwrap();
}
