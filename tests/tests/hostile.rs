//! A short run of clients that mean no good: those that do are served, and nothing secret is written down.
//!
//! `tests/soak/hostile` makes a long one, and measures what it costs.

use eai_tests::Backend;
use eai_tests::hostile::{Options, run};

#[tokio::test]
async fn who_means_no_good_harms_nobody_else() {
    let options = Options {
        silent: 200,
        guesses: 2000,
        seed: 1,
        backend: Backend::Process,
    };
    let report = run(&options).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.silent, report.guesses.0), (200, 2000), "{report}");
}
