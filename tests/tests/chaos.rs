//! A short run with kills and freezes: nothing acknowledged is lost, nothing happens twice.
//!
//! `tests/soak/chaos` makes long ones, and shows with broken guards that the checker notices.

use std::path::Path;

use eai_tests::chaos::checker::check;
use eai_tests::chaos::{Options, Record, run};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_whatever_is_killed_or_frozen() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let options = Options::new(7, 4, folder.clone());
    let report = check(&run(&options).await.unwrap());
    assert!(
        report.passed(),
        "{report}\nto see it again: tests/soak/chaos {}",
        options.arguments()
    );

    // The records alone give the same verdict, and without one event another.
    let mut record = Record::read(&folder).unwrap();
    assert_eq!(check(&record).to_string(), report.to_string());
    record.log.remove(record.log.len() / 2);
    assert!(!check(&record).is_clean());
}
