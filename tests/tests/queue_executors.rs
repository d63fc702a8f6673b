//! Workers of a queue on a second executor: they get its tasks, and when that executor dies its workers are replaced
//! elsewhere and no task is lost.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use eai_tests::queue::Queue;
use eai_tests::{
    Backend, Other, Platform, Setup, executors, is, on_each_backend, tasks, until, until_executor,
};
use serde_json::{Value, json};

const LEASE: Duration = Duration::from_secs(2);

on_each_backend! {
    workers_of_an_executor_that_dies_are_replaced_elsewhere_and_no_task_is_lost,
}

fn submit(platform: &Platform, task: &Value, times: usize) -> Vec<String> {
    let file = platform.path("tasks.ndjson");
    std::fs::write(&file, format!("{task}\n").repeat(times)).unwrap();
    let mut arguments = vec!["task", "submit", "q", "-f", file.to_str().unwrap()];
    arguments.extend(["--field", "id"]);
    let ids = platform.run(&arguments, &[]).ok();
    ids.lines().map(str::to_owned).collect()
}

#[track_caller]
fn until_done(queue: &Queue, platform: &Platform, wanted: u64) {
    queue.until_health(platform, "the tasks", |health| {
        health["queue"]["done"].as_u64() >= Some(wanted)
    });
}

async fn workers_of_an_executor_that_dies_are_replaced_elsewhere_and_no_task_is_lost(
    backend: Backend,
) {
    let flags = ["--executor-lease", "2s"];
    let platform = Platform::start_with(Setup::flags(flags).on(backend));
    let own = executors(&platform).into_keys().next().unwrap();
    platform.cli(["executor", "drain", &own]).ok();
    let mut other = Other::start(&platform, "a", LEASE);
    until_executor(&platform, &other.id(), is("active"));
    let queue = Queue::started(&platform, "q", 2, &["--heartbeat-timeout", "60"]);
    let all_there = |row: &Value| row["running"] == 2;
    until_executor(&platform, &other.id(), all_there);
    let mut ids = submit(&platform, &json!({}), 20);
    until_done(&queue, &platform, 20);

    // Some are with its workers when it dies, others wait.
    ids.extend(submit(&platform, &json!({ "args": { "sleep": 1 } }), 8));
    until_done(&queue, &platform, 21);
    other.kill();
    ids.extend(submit(&platform, &json!({}), 20));
    until_executor(&platform, &other.id(), is("lost"));
    platform.cli(["executor", "undrain", &own]).ok();
    let health = queue.until_health(&platform, "replacements", |health| {
        health["workers_restarted_count"] == 2 && health["status"] == "running"
    });
    let reasons = json!({ "q:0": "loop-lost", "q:1": "loop-lost" });
    assert_eq!(health["restart_reasons"], reasons);
    until_executor(&platform, &own, all_there);
    until_done(&queue, &platform, 48);

    // It is back, and what it had is gone; nobody's outcome is another's.
    other.up();
    until_executor(&platform, &other.id(), is("active"));
    until("nothing to be left of its workers", || {
        let left = other.leftovers();
        left.is_empty().then_some(()).ok_or(left)
    });
    let mut outcomes: BTreeMap<String, usize> = ids.into_iter().map(|id| (id, 0)).collect();
    for event in tasks::events(&platform).await {
        if event.event == "done" {
            *outcomes.get_mut(&event.task).expect("a known task") += 1;
        }
    }
    assert!(
        outcomes.len() == 48 && outcomes.values().all(|count| *count == 1),
        "{outcomes:?}"
    );
}
