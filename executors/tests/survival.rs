//! What happens when the platform, a shim or a start dies.

mod common;

use common::*;
use eai_executors::backend::State;

#[tokio::test]
async fn a_run_goes_on_when_the_platform_is_killed_and_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut first = platform_process(&runs, &server("a.0.1", 8080, " again"));
    kill(first.id());
    first.wait().unwrap();

    let process = process(&runs).await;
    let found = process.found().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].state, State::Live);
    assert_eq!(found[0].metadata, serde_json::json!({ "name": "a.0.1" }));
    let running = found[0].running.clone();
    assert!(running.started().unwrap().is_some());
    says(&running, "up").await;
    assert_eq!(talk(&running, 8080, "hello").await, "hello again");
    // Starting it again takes up what runs.
    let same = process.start(&server("a.0.1", 9090, "")).await.unwrap();
    assert_eq!(talk(&same, 8080, "hello").await, "hello again");
    let waiting = tokio::spawn({
        let running = running.clone();
        async move { wait(&running).await }
    });
    running
        .signal(eai_executors::backend::Signal::Term)
        .await
        .unwrap();
    let exit = waiting.await.unwrap();
    assert_eq!((exit.code, exit.signal), (Some(143), Some(15)), "{exit:?}");
    running.remove().await.unwrap();
    assert!(process.found().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_that_ended_without_a_platform_is_found_with_its_end_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut first = platform_process(&runs, &sh("a.0.1", "echo up; sleep 0.2; echo done; exit 5"));
    kill(first.id());
    first.wait().unwrap();
    let exit = runs.join("a.0.1/exit.json");
    until("the run ends", || exit.exists()).await;

    let process = process(&runs).await;
    let found = process.found().await.unwrap();
    let State::Exited(exit) = &found[0].state else {
        panic!("{found:?}");
    };
    assert_eq!(exit.code, Some(5));
    let running = &found[0].running;
    assert_eq!(wait(running).await, *exit);
    assert_eq!(said(running).await, "up\ndone\n");
    // What ended is not begun again.
    let same = process.start(&sh("a.0.1", "exit 6")).await.unwrap();
    assert_eq!(wait(&same).await.code, Some(5));
    running.remove().await.unwrap();
    let again = process.start(&sh("a.0.1", "exit 6")).await.unwrap();
    assert_eq!(wait(&again).await.code, Some(6));
    again.remove().await.unwrap();
}

#[tokio::test]
async fn a_shim_that_is_killed_takes_its_sandbox_with_it() {
    let platform = Platform::new().await;
    let script = "setsid sleep 31415.9 & echo up; sleep 31415.9";
    let running = platform.start(&sh("a.0.1", script)).await;
    says(&running, "up").await;
    until("both sleep", || processes("sleep 31415.9").len() >= 2).await;
    let folder = platform.runs().join("a.0.1");
    let shims = processes(&format!("eai-test-shim {}", folder.display()));
    assert_eq!(shims.len(), 1);
    let waiting = tokio::spawn({
        let running = running.clone();
        async move { wait(&running).await }
    });
    kill(u32::try_from(shims[0]).unwrap());
    let exit = waiting.await.unwrap();
    assert!(
        exit.lost && exit.code.is_none() && exit.started > 0,
        "{exit:?}"
    );
    assert!(processes("sleep 31415.9").is_empty());
    let found = platform.process.found().await.unwrap();
    assert_eq!(found[0].state, State::Lost);
    assert!(running.connect(8080).await.is_err());
    assert!(running.listening().await.unwrap().is_empty());
    running.remove().await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_start_that_was_cut_short_is_made_again() {
    let platform = Platform::new().await;
    let folder = platform.runs().join("a.0.1");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("run.json.half"), "{").unwrap();
    let found = platform.process.found().await.unwrap();
    assert_eq!(found[0].state, State::Broken);
    let (exit, said) = platform.sh("a.0.1", "echo fine").await;
    assert_eq!((exit.code, said.as_str()), (Some(0), "fine\n"));
}

#[tokio::test]
async fn many_starts_of_one_name_are_one_run() {
    let platform = Platform::new().await;
    let folder = tempfile::tempdir_in(platform.folder.path()).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut run = sh("a.0.1", "echo begun >> /count/begun");
    let mut count = mount(folder.path(), "/count");
    count.writable = true;
    run.mounts = vec![count];
    let starts = (0..5).map(|_| platform.process.start(&run));
    let mut all = Vec::new();
    for started in futures_all(starts).await {
        all.push(started.unwrap());
    }
    for running in &all {
        assert_eq!(wait(running).await.code, Some(0));
    }
    let begun = std::fs::read_to_string(folder.path().join("begun")).unwrap();
    assert_eq!(begun, "begun\n");
    all[0].remove().await.unwrap();
}

/// Polls all together, to their ends.
async fn futures_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

#[tokio::test]
async fn a_folder_may_have_a_long_name() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("x".repeat(120)).join("y".repeat(120));
    let process = process(&runs).await;
    let running = process.start(&server("a.0.1", 8080, "!")).await.unwrap();
    says(&running, "up").await;
    assert_eq!(talk(&running, 8080, "hi").await, "hi!");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn who_is_not_root_runs_things_too() {
    let folder = tempfile::tempdir().unwrap();
    let program = "import os, socket\n\
                   s = socket.create_server(('127.0.0.1', 8080))\n\
                   print('up', os.getuid(), flush=True)\n\
                   c, _ = s.accept()\n\
                   c.sendall(c.recv(100) + b' back')\n";
    let run = command("a.0.1", &["python3", "-c", program]);
    let mut plain = plain_platform_process(folder.path(), &run);
    let process = process(&folder.path().join("home/runs")).await;
    let found = process.found().await.unwrap();
    assert_eq!(found[0].state, State::Live);
    let running = &found[0].running;
    assert_eq!(running.limits(), "rlimit");
    says(running, "up 13011").await;
    assert_eq!(talk(running, 8080, "there and").await, "there and back");
    assert_eq!(wait(running).await.code, Some(0));
    running.remove().await.unwrap();
    kill(plain.id());
    plain.wait().unwrap();
}
