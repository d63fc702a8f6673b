//! What a task loses with its worker: one attempt, however the worker went, and nobody else loses anything.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::queue::Queue;
use eai_tests::{Api, Backend, Platform, Service, Setup, text, until_async};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

eai_tests::on_each_backend! {
    a_worker_lost_with_its_shim_while_nobody_looked_costs_its_task_an_attempt,
    a_worker_out_of_memory_costs_its_task_one_attempt,
    a_platform_that_dies_with_a_task_in_its_hands_costs_it_nothing,
}

async fn until_status(platform: &Platform, id: &str, status: &str) -> Value {
    let api = Api::of(platform);
    until_async("the task to be as wanted", async || {
        let task = api.get(&format!("/v1/task/{id}")).await.ok();
        (task["status"] == status)
            .then_some(task.clone())
            .ok_or(task)
    })
    .await
}

/// Processes whose command lines or variables have a text.
fn processes(text: &str) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |entry: &std::fs::DirEntry| {
        ["cmdline", "environ"].iter().any(|file| {
            let read = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&read).contains(text)
        })
    };
    let pids = entries
        .filter(has)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

async fn a_worker_lost_with_its_shim_while_nobody_looked_costs_its_task_an_attempt(
    backend: Backend,
) {
    let mut platform = Platform::on(backend);
    let queue = Queue::of_handler(&platform, 1, &[], &[]);
    let service = Service::named(&platform, "q");
    let orphan = queue.submit(
        &platform,
        &json!({ "args": { "sleep": 1000 } }),
        &["--retries", "0"],
    );
    let incarnation = {
        let running = until_status(&platform, &orphan, "running").await;
        text(&running["claim"]["worker_incarnation"])
    };
    let job = text(&service.jobs().await[0]["id"]);
    platform.kill();
    // The shim is known by its folder, what it runs by its variables.
    for process in processes(&job) {
        kill_process(process, Signal::KILL).ok();
    }
    platform.up();
    let failed = until_status(&platform, &orphan, "failed").await;
    assert_eq!(failed["attempts"], 1, "{failed}");
    assert_eq!(
        failed["error"],
        "orphaned service task recovered after worker heartbeat expired"
    );
    assert_eq!(failed["recovery"]["reason"], "expired-worker-heartbeat");
    assert_eq!(failed["claim"]["worker_incarnation"], incarnation.as_str());

    // Its place is filled again, and works.
    queue.until_running(&platform, 1);
    let next = queue.submit(&platform, &json!({}), &[]);
    assert_eq!(until_status(&platform, &next, "done").await["attempts"], 1);
}

async fn a_worker_out_of_memory_costs_its_task_one_attempt(backend: Backend) {
    let platform = Platform::on(backend);
    let queue = Queue::of_handler(&platform, 2, &[], &["--mem", "0.125"]);
    let other = queue.submit(
        &platform,
        &json!({ "args": { "sleep": 2 } }),
        &["--worker", "q:1"],
    );
    until_status(&platform, &other, "running").await;
    let greedy = queue.submit(
        &platform,
        &json!({ "args": { "eat": 1024 } }),
        &["--worker", "q:0", "--retries", "0"],
    );
    let failed = until_status(&platform, &greedy, "failed").await;
    assert_eq!(failed["attempts"], 1, "{failed}");
    assert_eq!(until_status(&platform, &other, "done").await["attempts"], 1);
    queue.until_running(&platform, 2);
    let next = queue.submit(&platform, &json!({}), &["--worker", "q:0"]);
    assert_eq!(until_status(&platform, &next, "done").await["attempts"], 1);
}

async fn a_platform_that_dies_with_a_task_in_its_hands_costs_it_nothing(backend: Backend) {
    // Before the task is with its worker, and after its outcome is stored and before the worker knows.
    for place in ["queue.taken", "queue.stored"] {
        let mut platform = Platform::start_with(Setup::fail_point(place).on(backend));
        let queue = Queue::of_handler(&platform, 1, &[], &[]);
        // It may die before it has answered, so it is sent again.
        let command = uuid::Uuid::new_v4().to_string();
        let task = json!({ "args": { "mark": place } }).to_string();
        let send = ["task", "submit", "q", &task, "--command-id", &command];
        platform.run(&send, &[]);
        platform.wait();
        platform.set_up(Setup {
            environment: Vec::new(),
            ..Setup::fail_point(place).on(backend)
        });
        platform.up();
        let again = [&send[..], &["--field", "id"]].concat();
        let id = platform.run(&again, &[]).ok();
        let done = until_status(&platform, &id, "done").await;
        assert_eq!(
            (&done["attempts"], &done["result"]["count"]),
            (&json!(1), &json!(1)),
            "{place}: {done}"
        );
        let next = queue.submit(&platform, &json!({}), &[]);
        let next = until_status(&platform, &next, "done").await;
        assert_eq!(
            next["result"]["count"], 2,
            "{place}: the same worker: {next}"
        );
        queue.until_running(&platform, 1);
        let events = eai_tests::tasks::events(&platform).await;
        let own: Vec<_> = events
            .iter()
            .filter(|event| event.task == id)
            .map(|event| &*event.event)
            .collect();
        assert_eq!(own, ["submitted", "done"], "{place}");
    }
}
