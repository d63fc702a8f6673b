//! A short run with kills and freezes of platform, second executor and NATS: every job comes to one end, and nothing
//! is left.
//!
//! `tests/soak/jobs` makes long ones, and shows with a broken guard that the checker notices.

use std::path::Path;

use eai_tests::jobs::{Options, run};
use eai_tests::{Backend, on_each_backend};

async fn each_run_has_one_end_whatever_is_killed_or_frozen(backend: Backend) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("jobs-{}", backend.name()));
    let options = Options::new(5, 8, backend, folder);
    let report = run(&options).await.expect("records");
    assert!(
        report.is_clean(),
        "{report}\nto see it again: tests/soak/jobs {}",
        options.arguments()
    );
    assert!(report.faults >= 6 && report.jobs >= 8, "{report}");
}

on_each_backend! {
    each_run_has_one_end_whatever_is_killed_or_frozen,
}
