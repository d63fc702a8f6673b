//! What becomes of tasks: every field of an outcome, dead letters and who hears of them, tasks pinned to nobody, and one
//! order for all submitters.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use eai_tests::queue::Queue;
use eai_tests::{Platform, text, until};
use serde_json::{Value, json};

const PATIENT: &[&str] = &["--heartbeat-timeout", "3600"];

#[track_caller]
fn until_status(platform: &Platform, id: &str, status: &str) -> Value {
    until("the task to be as wanted", || {
        let task = platform.cli(["task", "get", id, "--format", "json"]).ok();
        let task: Value = serde_json::from_str(&task).unwrap();
        (task["status"] == status)
            .then_some(task.clone())
            .ok_or(task)
    })
}

fn fields(task: &Value) -> Vec<&str> {
    let fields = task.as_object().unwrap().keys();
    fields.map(String::as_str).collect()
}

const CLAIM: [&str; 4] = ["claimed_at", "worker", "worker_id", "worker_incarnation"];

#[test]
fn an_outcome_has_every_field_of_the_contract() {
    let platform = Platform::start();
    let queue = Queue::of_handler(&platform, 1, PATIENT, &[]);
    let base = [
        "args",
        "attempts",
        "claim",
        "created_at",
        "created_on",
        "finished_at",
        "id",
        "metadata",
        "plan",
        "priority",
        "retries",
        "runtime",
        "schema",
        "service",
        "service_id",
        "status",
        "task_id",
        "task_name",
        "updated_on",
        "worker",
        "worker_id",
        "worker_idx",
        "worker_name",
    ];
    for (what, args, status, more) in [
        (
            "it is done",
            json!({ "say": "hello" }),
            "done",
            &["logs", "result"][..],
        ),
        (
            "its handler fails",
            json!({ "fail": "no luck" }),
            "failed",
            &["dead", "error", "traceback"],
        ),
        (
            "its worker is gone",
            json!({ "exit": 3 }),
            "failed",
            &["dead", "error", "recovery"],
        ),
    ] {
        let task = json!({ "args": args, "task_id": "batch-7", "task_name": "n1" });
        let id = queue.submit(&platform, &task, &["--retries", "0"]);
        let task = until_status(&platform, &id, status);
        let mut expected = [&base, more].concat();
        expected.sort_unstable();
        assert_eq!(fields(&task), expected, "{what}");
        assert_eq!(fields(&task["claim"]), CLAIM, "{what}");
        for (field, value) in [
            ("schema", json!("agi.service.task.v1")),
            ("task_id", json!("batch-7")),
            ("task_name", json!("n1")),
            ("worker", json!("")),
            ("worker_idx", Value::Null),
            ("worker_id", json!(0)),
            ("worker_name", json!("q:0")),
            ("attempts", json!(1)),
            ("plan", json!([])),
            ("metadata", json!([])),
            ("args", args),
        ] {
            assert_eq!(task[field], value, "{what}: {field}");
        }
        let incarnation = text(&task["claim"]["worker_incarnation"]);
        let is_hex = |letter: char| letter.is_ascii_hexdigit() && !letter.is_uppercase();
        assert!(incarnation.len() == 32 && incarnation.chars().all(is_hex));
        let time = |value: &Value| value.as_f64().unwrap();
        let times = [
            time(&task["created_at"]),
            time(&task["claim"]["claimed_at"]),
            time(&task["finished_at"]),
        ];
        assert!(times.is_sorted() && times[0] > 1.7e9, "{what}: {times:?}");
        assert!(time(&task["runtime"]) >= 0.0, "{what}");
        match what {
            "it is done" => assert_eq!(task["logs"], "has n1 hello\n"),
            "its handler fails" => assert_eq!(task["error"], "no luck"),
            _ => {
                let error = "orphaned service task recovered after worker heartbeat expired";
                assert_eq!(task["error"], error);
                let recovery = &task["recovery"];
                let known = ["heartbeat_age_sec", "reason", "task_age_sec"];
                assert_eq!(fields(recovery), known);
                assert_eq!(recovery["reason"], "expired-worker-heartbeat");
            }
        }
    }
    let by = platform.cli(["task", "ls", "q", "--field", "worker_name"]);
    assert_eq!(by.ok(), "q:0\nq:0\nq:0");
    let dead = platform.cli(["task", "dead", "ls", "q", "--field", "id"]);
    assert_eq!(dead.ok(), "", "without retries there are no dead letters");
}

/// Each dead letter that the service's events told of, with its place, in order.
fn told(platform: &Platform) -> Vec<Value> {
    let mut tail = vec!["events", "tail", "-n", "1000", "--format", "json"];
    tail.extend(["--type", "service.dead_lettered"]);
    let events = platform.run(&tail, &[]).ok();
    let events = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    events
        .flat_map(|event| event["data"]["tasks"].as_array().unwrap().clone())
        .collect()
}

#[track_caller]
fn until_told(platform: &Platform, wanted: usize) -> Vec<Value> {
    until("dead letters to be told", || {
        let told = told(platform);
        (told.len() >= wanted).then_some(told.clone()).ok_or(told)
    })
}

#[test]
fn dead_letters_are_told_to_who_listens_to_the_service_and_each_once() {
    let mut platform = Platform::start();
    let queue = Queue::of_handler(&platform, 2, PATIENT, &[]);
    let fails = |retries: &str, name: &str| {
        let task = json!({ "args": { "fail": "no luck" } });
        let flags = ["--retries", retries, "--backoff", "0.01", "--name", name];
        queue.submit(&platform, &task, &flags)
    };
    let alive = fails("0", "alive");
    until_status(&platform, &alive, "failed");
    let id = fails("1", "sums");
    assert_eq!(until_status(&platform, &id, "failed")["dead"], true);
    let first = until_told(&platform, 1);
    let sequence = first[0]["sequence"].as_u64().unwrap();
    let letter = json!({
        "id": id, "name": "sums", "attempts": 2, "error": "no luck", "sequence": sequence,
    });
    assert_eq!(first, [letter]);
    let listed = ["task", "dead", "ls", "q", "--field", "id"];
    assert_eq!(platform.cli(listed).ok(), id);

    // It has all its retries again, and dies again: that is another one.
    let again = ["task", "dead", "requeue", "q", &id, "--field", "tasks"];
    assert_eq!(platform.run(&again, &[]).ok(), "1");
    let second = until_told(&platform, 2);
    assert_eq!(
        (&second[1]["id"], &second[1]["attempts"]),
        (&json!(id), &json!(4))
    );
    assert!(second[1]["sequence"].as_u64().unwrap() > sequence);

    // Many at once, and a platform that dies meanwhile.
    let file = platform.path("tasks.ndjson");
    let line = "{\"args\":{\"fail\":\"no luck\"},\"retries\":1,\"backoff\":0.01}\n";
    std::fs::write(&file, line.repeat(40)).unwrap();
    let mut many = vec!["task", "submit", "q", "-f", file.to_str().unwrap()];
    many.extend(["--field", "id"]);
    platform.run(&many, &[]).ok();
    until_told(&platform, 5);
    platform.kill();
    platform.up();
    until_told(&platform, 42);
    let mut places = BTreeMap::new();
    for letter in told(&platform) {
        *places
            .entry(letter["sequence"].as_u64().unwrap())
            .or_insert(0) += 1;
    }
    assert!(
        places.len() == 42 && places.values().all(|count| *count == 1),
        "{places:?}"
    );
}

#[test]
fn tasks_for_workers_that_are_not_there_go_to_those_that_are() {
    let platform = Platform::start();
    let queue = Queue::of_handler(&platform, 2, PATIENT, &[]);
    for (what, task, flags) in [
        ("too many", json!({}), &["--worker", "q:7"][..]),
        ("another's", json!({}), &["--worker", "other:0"]),
        ("no number", json!({}), &["--worker", "127.0.0.1:9000"]),
        ("by index", json!({ "worker_idx": 9 }), &[]),
    ] {
        let id = queue.submit(&platform, &task, flags);
        let done = until_status(&platform, &id, "done");
        let by = text(&done["worker_name"]);
        assert!(by == "q:0" || by == "q:1", "{what}: {by}");
    }
    // One whose worker vanishes while it waits for it.
    let busy = json!({ "args": { "sleep": 3 } });
    let busy = queue.submit(&platform, &busy, &["--worker", "q:1"]);
    until_status(&platform, &busy, "running");
    let waits = queue.submit(&platform, &json!({}), &["--worker", "q:1"]);
    assert_eq!(until_status(&platform, &waits, "pending")["attempts"], 0);
    queue.run(&platform, "scale", &["--workers", "1"]).ok();
    let done = until_status(&platform, &waits, "done");
    assert_eq!(
        (&done["worker_name"], &done["attempts"]),
        (&json!("q:0"), &json!(1))
    );
    assert_eq!(until_status(&platform, &busy, "done")["worker_name"], "q:1");
}

#[test]
fn several_submitters_keep_one_order() {
    let platform = Platform::start();
    let queue = Queue::of_handler(&platform, 1, PATIENT, &[]);
    queue.run(&platform, "stop", &["--no-shutdown"]).ok();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5 {
                    queue.submit(&platform, &json!({}), &[]);
                }
            });
        }
    });
    queue.run(&platform, "start", &[]).ok();
    let listed = until("all to be done", || {
        let done = ["task", "ls", "q", "--status", "done", "--field", "id"];
        let done = platform.cli(done).ok();
        let done: Vec<_> = done.lines().map(str::to_owned).collect();
        (done.len() == 15).then_some(done.clone()).ok_or(done)
    });
    // The newest comes first, and the worker counts.
    let counts = listed.iter().rev().map(|id| {
        let result = platform.cli(["task", "result", id]).ok();
        let result: Value = serde_json::from_str(&result).unwrap();
        result["count"].as_u64().unwrap()
    });
    assert_eq!(counts.collect::<Vec<_>>(), (1..=15).collect::<Vec<_>>());
}
