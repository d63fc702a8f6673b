//! Reading the log of tasks as it grows: what ended long ago is removed from it while a long run goes on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;

use super::{TaskEvent, event};
use crate::platform::Platform;
use crate::stored::{Stored, StoredEvent};

/// The pause before it is looked again.
const PAUSE: Duration = Duration::from_millis(20);

/// What the log has said so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// All events, in order.
    pub(super) events: Vec<TaskEvent>,
    /// By task: what its worker answered.
    pub(super) results: HashMap<String, Value>,
    /// By task: the number that it was sent with.
    pub(super) numbers: HashMap<String, Value>,
    /// Tasks that ended.
    pub(super) ended: HashSet<String>,
    /// Why attempts failed, and how often.
    pub(super) failures: HashMap<Why, usize>,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// Its worker was gone.
    Gone,
    /// Its time was over.
    Late,
    /// Its worker said so.
    Told,
}

/// Whoever reads.
#[derive(Debug)]
pub(super) struct Follower {
    heard: Arc<Mutex<Heard>>,
    reading: JoinHandle<()>,
}

// === impl Follower ===

impl Follower {
    /// Reads from the first event on.
    pub(super) async fn of(platform: &Platform) -> Self {
        let stored = Stored::tasks_of(platform).await;
        let heard = Arc::<Mutex<Heard>>::default();
        let reading = tokio::spawn(read(stored, Arc::clone(&heard)));
        Self { heard, reading }
    }

    /// How many tasks have ended.
    pub(super) fn ended(&self) -> usize {
        lock(&self.heard).ended.len()
    }

    /// What was heard up to now.
    pub(super) fn end(self) -> Heard {
        self.reading.abort();
        lock(&self.heard).clone()
    }
}

async fn read(stored: Stored, heard: Arc<Mutex<Heard>>) {
    let mut next = 1;
    loop {
        // Whoever does not answer is away for a while.
        let last = stored.try_last().await.unwrap_or_default();
        while next <= last {
            match stored.try_get(next).await {
                Ok(event) => {
                    if let Some(event) = event {
                        lock(&heard).hear(&event);
                    }
                    next += 1;
                }
                Err(_) => break,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Heard ===

impl Heard {
    fn hear(&mut self, stored: &StoredEvent) {
        let told = event(stored);
        let document = stored.document();
        let data = &document["data"];
        let task = told.task.clone();
        match told.event.as_str() {
            "submitted" => {
                let number = &data["payload"]["inline"]["args"]["number"];
                self.numbers.insert(task, number.clone());
            }
            "done" => {
                let result = &data["result"]["inline"];
                self.results.insert(task.clone(), result.clone());
                self.ended.insert(task);
            }
            "failed" | "cancelled" => {
                self.ended.insert(task);
            }
            _ => {}
        }
        if let Some(error) = data["failure"]["error"].as_str() {
            let why = if error.contains("worker was gone") || error.starts_with("orphaned") {
                Why::Gone
            } else if error.contains("not done within its time") {
                Why::Late
            } else {
                Why::Told
            };
            *self.failures.entry(why).or_default() += 1;
        }
        self.events.push(told);
    }
}
