//! Containers that are made before it is known whether their runs are wanted.

mod containers;

use containers::*;
use eai_executors::backend::{Run, State};

/// The names of a platform's containers that were made and never began.
fn made(platform: &Platform) -> Vec<String> {
    let label = format!("label=eai.platform={}", platform.id);
    let filters = ["--filter", "status=created", "--filter", &label];
    let mut arguments = vec!["ps", "--all", "--format", "{{.ID}}"];
    arguments.extend(filters);
    cli(&arguments)
}

#[tokio::test]
async fn a_container_that_was_made_early_begins_once_its_run_is_started() {
    let platform = platform!();
    let run = sh("early.0.1", "echo begun");
    platform.docker.make_early(&run, || true).await.unwrap();
    let early = made(&platform);
    assert_eq!(early.len(), 1);
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    assert_eq!(said(&running).await, "begun\n");
    assert_eq!(platform.containers(), early);
    // It is not made early any more: nothing is left to be discarded.
    platform.docker.discard_early(&run.name).await.unwrap();
    assert_eq!(platform.containers(), early);
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_not_wanted_any_more_leaves_no_container() {
    let platform = platform!();
    let run = sh("early.0.1", "echo begun");
    platform.docker.make_early(&run, || true).await.unwrap();
    platform.docker.discard_early(&run.name).await.unwrap();
    assert_eq!(platform.containers(), [""; 0]);
    // Nor does one that was settled before it was made.
    platform.docker.make_early(&run, || false).await.unwrap();
    assert_eq!(platform.containers(), [""; 0]);
}

#[tokio::test]
async fn a_container_that_was_removed_meanwhile_is_made_again() {
    let platform = platform!();
    let run = sh("early.0.1", "echo begun");
    platform.docker.make_early(&run, || true).await.unwrap();
    cli(&["rm", "--force", &made(&platform)[0]]);
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    assert_eq!(said(&running).await, "begun\n");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn who_claims_a_run_does_not_use_what_another_executor_made_for_it() {
    let platform = platform!();
    let other = platform.other().await;
    let run = sh("early.0.1", "echo begun; sleep 1000");
    other.make_early(&run, || true).await.unwrap();
    // Whoever only hopes for the run leaves it to the other.
    platform.docker.make_early(&run, || true).await.unwrap();
    let others = made(&platform);
    assert_eq!(others.len(), 1);
    let running = platform.start(&run).await;
    says(&running, "begun").await;
    let own = platform.containers();
    assert!(own.len() == 1 && own != others, "{own:?}, {others:?}");
    other.discard_early(&run.name).await.unwrap();
    assert_eq!(platform.containers(), own);
    running.remove().await.unwrap();
}

#[tokio::test]
async fn what_another_executor_removes_at_that_moment_is_no_run_that_ended() {
    let platform = platform!();
    let other = platform.other().await;
    for number in 0..6 {
        let run = sh(&format!("early.{number}.1"), "exit 7");
        other.make_early(&run, || true).await.unwrap();
        let (discarded, running) =
            tokio::join!(other.discard_early(&run.name), platform.start(&run));
        discarded.unwrap();
        assert_eq!(wait(&running).await.code, Some(7));
        running.remove().await.unwrap();
    }
}

#[tokio::test]
async fn what_an_earlier_platform_made_is_found_and_taken_up() {
    let mut platform = platform!();
    let run = sh("early.0.1", "echo begun");
    platform.docker.make_early(&run, || true).await.unwrap();
    let early = made(&platform);
    platform.again().await;
    let states = states(&platform.docker).await;
    assert!(matches!(&states[..], [(_, State::Broken)]), "{states:?}");
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    assert_eq!(platform.containers(), early);
    running.remove().await.unwrap();
    // One for an earlier claim is not used.
    let (job, _) = run.name.rsplit_once('.').expect("three parts");
    let later = Run {
        name: format!("{job}.2"),
        ..run.clone()
    };
    platform.docker.make_early(&run, || true).await.unwrap();
    let early = made(&platform);
    let running = platform.start(&later).await;
    assert_eq!(wait(&running).await.code, Some(0));
    assert_ne!(platform.containers(), early);
    running.remove().await.unwrap();
}
