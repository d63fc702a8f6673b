//! Workers in containers: served from outside, by a process that outlives the platform.

mod containers;
mod worker;

use containers::*;
use eai_executors::backend::{Running, Still, WorkerState};
use serde_json::json;
use worker::{IMPATIENT, invocation, result, worker};

async fn attach(running: &Running) -> worker::Platform {
    worker::Platform::with(running.worker().await.expect("a conversation")).await
}

/// The shims of workers that a platform has.
fn shims(platform: &Platform) -> usize {
    let folder = platform.folder.path().join("workers");
    let folders = std::fs::read_dir(folder).into_iter().flatten();
    folders.count()
}

#[tokio::test]
async fn a_worker_in_a_container_notices_nothing_of_a_new_platform() {
    let mut platform = platform!();
    let run = worker(python("a.0.1", IMPATIENT));
    let running = platform.start(&run).await;
    let mut here = attach(&running).await;
    here.until("it waits", |here| here.beat.state == WorkerState::Running)
        .await;
    here.until("its process is known", |here| here.beat.pid.is_some())
        .await;
    here.invoke(invocation("a", 1, "1")).await;
    let outcome = here.outcome().await;
    assert_eq!(result(&outcome), json!(1));
    let logs = running.logs(&outcome).await.unwrap();
    assert!(logs.contains("does 1\n"), "{logs}");
    let (incarnation, pid) = (here.incarnation.clone(), here.beat.pid);
    platform.again().await;
    let mut found = platform.docker.found().await.unwrap();
    let running = Running::from(found.remove(0).running);
    let mut here = attach(&running).await;
    assert_eq!(here.incarnation, incarnation);
    here.until("it is the same", |here| here.beat.pid == pid)
        .await;
    here.invoke(invocation("b", 1, "2")).await;
    here.until("it answers", |here| !here.outcomes.is_empty())
        .await;
    drop(here);
    // What nobody acknowledged is there after its end.
    running
        .signal(eai_executors::backend::Signal::Kill)
        .await
        .unwrap();
    wait(&running).await;
    let left = running.left().await.unwrap().outcomes;
    assert_eq!(left.iter().map(result).collect::<Vec<_>>(), [json!(2)]);
    assert_eq!(shims(&platform), 1);
    running.remove().await.unwrap();
    assert_eq!(shims(&platform), 0);
}

#[tokio::test]
async fn only_its_own_container_is_served() {
    let platform = platform!();
    let served = "import os, time\nprint(os.environ['AWS_LAMBDA_RUNTIME_API'], flush=True)\ntime.sleep(1000)";
    let one = platform.start(&worker(python("a.0.1", served))).await;
    says(&one, "\n").await;
    let api = {
        let mut output = one.output(0);
        let chunk = output.next().await.unwrap().unwrap();
        String::from_utf8(chunk.bytes).unwrap().trim().to_owned()
    };
    let ask = format!(
        "import http.client\n\
         c = http.client.HTTPConnection('{api}', timeout=20)\n\
         try:\n\
         \x20   c.request('GET', '/2018-06-01/runtime/none')\n\
         \x20   print(c.getresponse().status)\n\
         except OSError as e:\n\
         \x20   print('refused')\n"
    );
    let other = platform.start(&python("b.0.1", &ask)).await;
    wait(&other).await;
    assert_eq!(said(&other).await, "refused\n");
    for running in [&one, &other] {
        running.remove().await.unwrap();
    }
}

#[tokio::test]
async fn a_container_that_is_paused_says_so() {
    let platform = platform!();
    let running = platform.start(&worker(python("a.0.1", IMPATIENT))).await;
    let mut here = attach(&running).await;
    here.until("it waits", |here| here.beat.state == WorkerState::Running)
        .await;
    running.freeze().await.unwrap();
    here.until("it is frozen", |here| {
        here.beat.still == Some(Still::Frozen)
    })
    .await;
    running.thaw().await.unwrap();
    here.until("it goes on", |here| here.beat.still.is_none())
        .await;
    running.remove().await.unwrap();
}
