//! A short run of everything that happens in the life of a service, all at once: each request has one answer, and
//! log, views, routes and what really runs agree.
//!
//! `tests/soak/life` makes long ones.

use eai_tests::life::{Options, run};
use eai_tests::{Backend, on_each_backend};

async fn every_request_has_one_answer_and_everything_agrees(backend: Backend) {
    let report = run(&Options::new(3, 18, backend), |_| {}).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.saw_enough(), "{report}");
}

on_each_backend! {
    every_request_has_one_answer_and_everything_agrees,
}

#[tokio::test]
async fn a_run_that_ends_before_it_is_done_is_noticed() {
    let mut options = Options::new(3, 18, Backend::Process);
    options.sabotage = Some("no-drain".to_owned());
    let report = run(&options, |_| {}).await;
    assert!(!report.is_clean(), "{report}");
}
