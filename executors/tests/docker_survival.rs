//! What happens when the platform ends, the engine does not answer, or a start is cut short.

mod containers;

use std::time::Instant;

use containers::relay::{Mood, Relay};
use containers::*;
use eai_executors::backend::{Run, Running, Signal, State};
use eai_executors::docker::{Docker, Settings, StartError, sweep};

/// Another claim of the same run.
fn claimed(run: &Run, claim: u32) -> Run {
    let (rest, _) = run.name.rsplit_once('.').expect("three parts");
    Run {
        name: format!("{rest}.{claim}"),
        metadata: serde_json::json!({ "claim": claim }),
        ..run.clone()
    }
}

#[tokio::test]
async fn a_run_goes_on_without_the_platform_and_is_adopted() {
    let mut platform = platform!();
    let run = server("a.0.1", "0.0.0.0", 8080, " again");
    let before = platform.start(&run).await;
    says(&before, "up").await;
    platform.again().await;
    let found = platform.docker.found().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].state, State::Live);
    assert_eq!(found[0].metadata, run.metadata);
    let running = Running::from(found[0].running.clone());
    assert_eq!(running.name(), run.name);
    assert_eq!(talk(&running, 8080, "hello").await, "hello again");
    // Starting it again takes up what runs.
    let same = platform.start(&run).await;
    assert_eq!(same.endpoint(8080), before.endpoint(8080));
    running.signal(Signal::Term).await.unwrap();
    let exit = wait(&running).await;
    assert_eq!((exit.code, exit.signal), (Some(143), Some(15)), "{exit:?}");
    // What ended is not begun again, and is found with its end.
    let ended = platform.start(&run).await;
    assert_eq!(wait(&ended).await.code, Some(143));
    let states = states(&platform.docker).await;
    assert!(matches!(&states[..], [(_, State::Exited(exit))] if exit.code == Some(143)));
    running.remove().await.unwrap();
    assert!(platform.docker.found().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_later_claim_takes_the_place_of_an_earlier_one_and_never_the_other_way() {
    let platform = platform!();
    let first = server("a.0.1", "0.0.0.0", 8080, " first");
    let running = platform.start(&first).await;
    says(&running, "up").await;
    let second = server("a.0.2", "0.0.0.0", 8080, " second");
    let second = Run {
        name: claimed(&first, 2).name,
        ..second
    };
    let later = platform.start(&second).await;
    says(&later, "up").await;
    assert_eq!(platform.containers().len(), 1);
    assert_eq!(talk(&later, 8080, "hi").await, "hi second");
    let exit = wait(&running).await;
    assert!(exit.lost, "{exit:?}");
    let error = Box::pin(platform.docker.start(&first)).await.unwrap_err();
    assert!(matches!(error, StartError::Superseded(_)), "{error:?}");
    later.remove().await.unwrap();
}

#[tokio::test]
async fn a_name_that_is_taken_is_left_alone() {
    let platform = platform!();
    let run = sh("a.0.1", "true");
    let name = format!("eai-{}", run.name.trim_end_matches(".1").replace('.', "-"));
    let image = image().unwrap();
    cli(&["create", "--name", &name, &image, "true"]);
    let error = Box::pin(platform.docker.start(&run)).await.unwrap_err();
    let removed = cli(&["rm", &name]);
    assert!(matches!(error, StartError::Taken(_)), "{error:?}");
    assert_eq!(removed, [name]);
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_made_again() {
    let mut platform = platform!();
    let run = sh("a.0.1", "echo fine");
    let (job, number) = run.name.trim_end_matches(".1").rsplit_once('.').unwrap();
    let platform_label = format!("eai.platform={}", platform.id);
    let (job_label, run_label) = (format!("eai.job={job}"), format!("eai.run={number}"));
    let network = format!("eai-{}", platform.id);
    let subnet = "{{(index .IPAM.Config 0).Subnet}}";
    let subnet = cli(&["network", "inspect", "--format", subnet, &network]).remove(0);
    let address = subnet.replace(".0/16", ".9").replace(".0/20", ".9");
    let name = format!("eai-{job}-{number}");
    let labels = [&platform_label, &job_label, &run_label, "eai.claim=1"];
    let image = image().unwrap();
    let mut create = vec![
        "create",
        "--name",
        &name,
        "--network",
        &network,
        "--ip",
        &address,
    ];
    for label in labels {
        create.extend(["--label", label]);
    }
    create.extend([image.as_str(), "echo", "fine"]);
    assert_eq!(cli(&create).len(), 1);
    platform.again().await;
    let states = states(&platform.docker).await;
    assert_eq!(states, [(run.name.clone(), State::Broken)]);
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    assert_eq!(said(&running).await, "fine\n");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn many_starts_of_one_name_are_one_run() {
    let platform = platform!();
    let run = sh("a.0.1", "echo begun");
    let starts = (0..5).map(|_| Box::pin(platform.docker.start(&run)));
    let all = futures::future::join_all(starts).await;
    for begun in &all {
        let running = &begun.as_ref().unwrap().running;
        assert_eq!(wait(running).await.code, Some(0));
        assert_eq!(said(running).await, "begun\n");
    }
    assert_eq!(platform.containers().len(), 1);
}

#[tokio::test]
async fn a_network_that_was_removed_is_made_again() {
    let platform = platform!();
    let network = platform.networks().remove(0);
    cli(&["network", "rm", &network]);
    let (exit, said) = platform.sh("a.0.1", "echo fine").await;
    assert_eq!((exit.code, said.as_str()), (Some(0), "fine\n"));
}

#[tokio::test]
async fn an_engine_that_hangs_or_is_gone_says_nothing_about_a_run() {
    let mut platform = platform!();
    let relay = Relay::start(platform.folder.path());
    platform.through(&relay.path).await;
    let script = "echo up; while [ ! -e /tmp/end ]; do sleep 0.02; done; echo down; exit 4";
    let running = platform.start(&sh("a.0.1", script)).await;
    says(&running, "up").await;
    let waiting = tokio::spawn({
        let running = running.clone();
        async move { wait(&running).await }
    });
    let saying = tokio::spawn({
        let running = running.clone();
        async move { said(&running).await }
    });
    let container = platform.containers().remove(0);
    relay.set(Mood::Gone);
    // It ends while nobody can ask.
    cli(&["exec", &container, "touch", "/tmp/end"]);
    cli(&["wait", &container]);
    assert!(!waiting.is_finished());
    relay.set(Mood::Hangs);
    assert!(!waiting.is_finished());
    relay.set(Mood::Answers);
    assert_eq!(waiting.await.unwrap().code, Some(4));
    assert_eq!(saying.await.unwrap(), "up\ndown\n");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn what_is_left_of_a_platform_is_swept() {
    let platform = platform!();
    let running = platform.start(&sh("a.0.1", "sleep 1000")).await;
    let folder = platform.folder.path().join("marks");
    let settings = Settings::new(owner(&platform.id, "a"), None, folder, shim());
    assert_eq!(sweep(&settings).await.unwrap(), 1);
    assert!(platform.containers().is_empty() && platform.networks().is_empty());
    assert!(wait(&running).await.lost);
    assert_eq!(sweep(&settings).await.unwrap(), 0);
}

#[tokio::test]
async fn executors_of_one_platform_leave_each_other_alone() {
    let platform = platform!();
    let other = platform.other().await;
    let ours = platform.start(&sh("a.0.1", "sleep 1000")).await;
    let theirs = sh("b.0.1", "sleep 1000");
    let theirs = Box::pin(other.start(&theirs)).await.unwrap().running;
    let names = async |docker: &Docker| {
        let states = states(docker).await.into_iter();
        states.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(&platform.docker).await, [ours.name()]);
    assert_eq!(names(&other).await, [theirs.name()]);
    // Each sees whose the rest is.
    let there = platform.docker.runs().await.unwrap();
    let mut others: Vec<_> = there.into_iter().map(|there| there.other).collect();
    others.sort_unstable();
    assert_eq!(others, [None, Some("b".to_owned())]);
    let marks = platform.folder.path().join("marks");
    let settings = Settings::new(owner(&platform.id, "a"), None, marks, shim());
    assert_eq!(sweep(&settings).await.unwrap(), 1);
    assert_eq!(platform.networks().len(), 1);
    assert_eq!(names(&other).await, [theirs.name()]);
    theirs.remove().await.unwrap();
    other.close().await;
    assert!(platform.containers().is_empty() && platform.networks().is_empty());
}

#[tokio::test]
async fn what_another_executor_has_of_an_earlier_claim_ends_before_a_later_one_begins() {
    let platform = platform!();
    let other = platform.other().await;
    let first = sh("a.0.1", "sleep 1000");
    let (job, _) = first.name.rsplit_once(".0.").unwrap();
    let earlier = Box::pin(other.start(&first)).await.unwrap().running;
    let unrelated = sh("b.0.1", "sleep 1000");
    let unrelated = Box::pin(other.start(&unrelated)).await.unwrap().running;
    let ended = sh("c.0.1", "true");
    let ended = Box::pin(other.start(&ended)).await.unwrap().running;
    wait(&ended).await;
    let second = Run {
        name: format!("{job}.1.2"),
        ..sh("a.0.1", "sleep 1000")
    };
    let later = platform.start(&second).await;
    assert!(wait(&earlier).await.lost);
    // What ended may have something to say yet.
    assert_eq!(platform.containers().len(), 3);
    let third = Run {
        name: format!("{}.1.2", ended.name().trim_end_matches(".0.1")),
        ..sh("c.0.1", "true")
    };
    platform.start(&third).await;
    assert_eq!(platform.containers().len(), 4);
    assert_eq!(wait(&ended).await.code, Some(0));
    for running in [unrelated, later, ended] {
        running.remove().await.unwrap();
    }
}

#[tokio::test]
async fn what_got_too_late_does_not_begin() {
    let platform = platform!();
    let run = sh("a.0.1", "echo begun");
    let late = platform.docker.start_before(&run, Some(Instant::now()));
    let error = Box::pin(late).await.unwrap_err();
    assert!(matches!(error, StartError::Late), "{error:?}");
    assert!(platform.containers().is_empty());
    let in_time = Instant::now() + PATIENCE;
    let begun = platform.docker.start_before(&run, Some(in_time));
    let running = Box::pin(begun).await.unwrap().running;
    assert_eq!(said(&running).await, "begun\n");
    running.remove().await.unwrap();
}
