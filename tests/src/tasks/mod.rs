//! Tasks of a queue while everything that has to do with them is killed, stopped and away.
//!
//! Judged by what their log says, and by what those who sent them were told: whoever was told that a task is stored
//! finds it ended, once, by the attempt that was under way.

mod faults;
mod follow;
mod judge;
mod options;
mod report;
mod schedule;
mod send;
mod soak;

pub use judge::{TaskEvent, Verdict, judge};
pub use options::Options;
pub use report::Report;
pub use soak::run;

use crate::{Platform, Stored, StoredEvent};

/// Every event of every task that the log of tasks has.
pub async fn events(platform: &Platform) -> Vec<TaskEvent> {
    let stored = Stored::tasks_of(platform).await.remaining().await;
    stored.iter().map(event).collect()
}

fn event(stored: &StoredEvent) -> TaskEvent {
    let document = stored.document();
    let data = &document["data"];
    let mut tokens = stored.subject.rsplit('.');
    let event = tokens.next().unwrap_or_default().to_owned();
    let task = tokens.next().unwrap_or_default().to_owned();
    let attempt = data["attempt"].as_u64();
    TaskEvent {
        task,
        event,
        attempt: attempt.or_else(|| data["failure"]["attempt"].as_u64()),
        attempts: data["attempts"].as_u64(),
        dead: data["dead"] == true,
    }
}
