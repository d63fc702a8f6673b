//! The suites there are, and running them by name. Numbers only: nothing here asserts how fast anything is.

mod api;
mod application;
mod celery;
mod clients;
mod cold;
mod commands;
mod containers;
mod events;
mod history;
mod log;
mod memory;
mod proxy;
mod replay;
mod replicas;
mod report;
mod samples;
mod server;
mod tasks;
mod updates;
mod wrk;

use std::process::ExitCode;
use std::time::Duration;

/// The names of the suites, and what each measures.
const SUITES: [(&str, &str); 7] = [
    (
        "log",
        "the event log: a command against a bare publish, replay and fold against a bare consumer, memory",
    ),
    (
        "history",
        "a log of a million events: its fold, rebuild, --at and verify, and memory",
    ),
    (
        "proxy",
        "requests to a service that is alive, against nginx before the same application",
    ),
    (
        "cold",
        "the first request to a service whose job is new, stopped or frozen, against starting its command bare",
    ),
    (
        "tasks",
        "tasks of a queue that do nothing, against Celery with a Redis that writes before it acknowledges",
    ),
    (
        "updates",
        "requests to a service that is updated again and again, against the same at rest",
    ),
    (
        "replicas",
        "requests to a service that does one at a time, by one to four replicas, against one",
    ),
];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// How often the kinds of commands take turns.
    rounds: usize,
    /// How many commands a turn has.
    commands: usize,
    /// How many services are made, changed and replayed.
    services: usize,
    /// How often each service is stopped or started in the log that is replayed.
    changes: usize,
    /// How often the log is replayed.
    replays: usize,
    /// How often the proxies take turns, and what else is measured under load.
    loads: usize,
    /// How long a turn of them is, in whole seconds.
    load: Duration,
    /// How often a service and its bare command are started.
    starts: usize,
    /// How many tasks are sent at once.
    tasks: usize,
    /// How many are sent one by one, and waited for.
    waits: usize,
    /// How many are queued before anybody works on them.
    queued: usize,
    /// The log of the suite `history`.
    history: events::History,
}

impl Size {
    const FULL: Self = Self {
        rounds: 15,
        commands: 200,
        services: 5000,
        changes: 34,
        replays: 9,
        loads: 7,
        load: Duration::from_secs(5),
        starts: 20,
        tasks: 1000,
        waits: 200,
        queued: 100_000,
        history: events::History {
            services: 20_000,
            changes: 39,
            of_one: 100_000,
        },
    };
    /// To see that everything runs.
    const QUICK: Self = Self {
        rounds: 3,
        commands: 40,
        services: 500,
        changes: 4,
        replays: 2,
        loads: 1,
        load: Duration::from_secs(1),
        starts: 2,
        tasks: 200,
        waits: 20,
        queued: 1000,
        history: events::History {
            services: 200,
            changes: 40,
            of_one: 2000,
        },
    };
}

pub(crate) async fn run(arguments: &[String]) -> ExitCode {
    let (flags, suites): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|text| text.starts_with('-'));
    let size = match flags.as_slice() {
        [] => Size::FULL,
        [flag] if *flag == "--quick" => Size::QUICK,
        _ => return usage("unknown flag"),
    };
    let known = |name: &&String| SUITES.iter().any(|(suite, _)| suite == name);
    if suites.is_empty() {
        return usage("no suite was named");
    }
    if let Some(unknown) = suites.iter().find(|name| !known(name)) {
        return usage(&format!("there is no suite `{unknown}`"));
    }
    for suite in suites {
        let ran = match suite.as_str() {
            "log" => {
                log::run(size).await;
                Ok(())
            }
            "history" => {
                Box::pin(history::run(size)).await;
                Ok(())
            }
            "proxy" => tokio::task::spawn_blocking(move || proxy::run(size)).await,
            "tasks" => tokio::task::spawn_blocking(move || tasks::run(size)).await,
            "updates" => tokio::task::spawn_blocking(move || updates::run(size)).await,
            "replicas" => tokio::task::spawn_blocking(move || replicas::run(size)).await,
            _ => tokio::task::spawn_blocking(move || cold::run(size)).await,
        };
        if ran.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn usage(what: &str) -> ExitCode {
    report::complain(&format!("error: {what}; suites:"));
    for (name, about) in SUITES {
        report::complain(&format!("  {name}  {about}"));
    }
    ExitCode::from(2)
}
