//! A short run with kills and freezes of workers, their shims, platform and NATS: every task that was accepted has one
//! end, and nobody was told otherwise. With a broken guard it is noticed.
//!
//! `tests/soak/tasks` makes long ones.

use std::path::Path;

use eai_tests::tasks::{Options, run};
use eai_tests::{Backend, on_each_backend};

fn options(seed: u64, tasks: usize, backend: Backend, name: &str) -> Options {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    Options::new(seed, tasks, backend, folder.join(format!("tasks-{name}")))
}

async fn each_task_has_one_end_whatever_is_killed_or_stopped(backend: Backend) {
    let options = options(5, 300, backend, backend.name());
    let report = run(&options).await.expect("records");
    assert!(
        report.is_clean(),
        "{report}\nto see it again: tests/soak/tasks {}",
        options.arguments()
    );
    assert!(
        report.faults >= 10 && report.verdict.accepted == 300,
        "{report}"
    );
}

on_each_backend! {
    each_task_has_one_end_whatever_is_killed_or_stopped,
}

#[tokio::test]
async fn an_outcome_that_counts_though_it_is_late_is_noticed() {
    let mut options = options(5, 60, Backend::Process, "no-attempt");
    options.faults = Some(0);
    options.sabotage = Some("no-attempt".to_owned());
    let report = run(&options).await.expect("records");
    assert!(
        report.violations.is_empty(),
        "nothing else is wrong: {report}"
    );
    assert!(!report.verdict.late.is_empty(), "{report}");
    assert!(!report.is_clean(), "{report}");
}
