//! Whoever asks how a queue is changes nothing, waits for nobody and is told the same as the others: with a worker that
//! is frozen, and with a server that is.

use std::thread;

use eai_tests::Platform;
use eai_tests::queue::{Queue, signal, workers};
use rustix::process::Signal;
use serde_json::Value;

const OBSERVERS: usize = 12;

/// The answers of many who ask at once: the check, the status and the snapshot by turns.
fn asked(platform: &Platform, queue: &Queue) -> Vec<(i32, Value)> {
    let ask = |number: usize| {
        let (verb, flags): (_, &[&str]) = match number % 3 {
            0 => ("health", &["--check"]),
            1 => ("status", &["--format", "json"]),
            _ => ("snapshot", &[]),
        };
        let output = queue.run(platform, verb, flags);
        let mut answer: Value = serde_json::from_str(&output.out).expect("JSON and nothing else");
        if answer.get("health").is_some() {
            answer = answer["health"].take();
        }
        (output.code, answer)
    };
    thread::scope(|scope| {
        let asked: Vec<_> = (0..OBSERVERS)
            .map(|number| scope.spawn(move || ask(number)))
            .collect();
        let answers = asked.into_iter().map(thread::ScopedJoinHandle::join);
        answers.map(|answer| answer.expect("an answer")).collect()
    })
}

/// The sequence of the newest event.
fn newest(platform: &Platform) -> String {
    platform
        .cli(["events", "tail", "-n", "1", "--field", "sequence"])
        .ok()
}

#[test]
fn any_number_may_ask_at_once_and_change_nothing() {
    let platform = Platform::start();
    let queue = Queue::started(&platform, "q", 2, &["--heartbeat-timeout", "3600"]);
    // Whatever the start has still to say.
    queue.until_health(&platform, "signs of life", |health| {
        let rows = health["worker_health"].as_array().expect("rows");
        rows.iter().all(|row| row["heartbeat_state"] == "running")
    });
    let there = workers(&platform);
    let before = newest(&platform);
    signal(there[0], Signal::STOP);
    for (code, answer) in asked(&platform, &queue) {
        assert_eq!((code, &answer["status"]), (0, &"running".into()));
    }
    platform.signal_nats(Signal::STOP);
    for (code, answer) in asked(&platform, &queue) {
        assert_eq!((code, &answer["status"]), (0, &"running".into()));
    }
    platform.signal_nats(Signal::CONT);
    assert_eq!(newest(&platform), before, "nothing was said to the log");
    assert_eq!(workers(&platform), there, "and nothing was restarted");
}
