//! Dead letters of a service: tasks that failed and have no retries left, told to those who follow its events.
//!
//! The tasks are in a log of their own, and so each is told by its place there: once for each time that it died, however
//! often that is meant. What a task carries, and what becomes of it, stays there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Event, Service};
use crate::ids::TaskId;

/// How many dead letters one event tells of at most: it holds them all, however they are written.
pub const MOST_LETTERS: usize = 10;
/// How many characters are told of a task's label.
const MOST_NAME: usize = 128;
/// How many characters are told of an error.
const MOST_ERROR: usize = 512;

/// Tasks failed, and their retries are used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLettered {
    /// Which, the first to fail first: ten at most.
    pub tasks: Vec<DeadLetter>,
}

/// A task that failed, and whose retries are used up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// The task.
    pub id: TaskId,
    /// Its label; of a long one its first 128 characters.
    pub name: String,
    /// How many attempts it took.
    pub attempts: u32,
    /// What went wrong last; of a long text its first 512 characters.
    pub error: String,
    /// The sequence of its failure in the log of tasks.
    pub sequence: u64,
}

// === impl DeadLetter ===

impl DeadLetter {
    /// One that fits in an event with others.
    pub fn new(id: TaskId, name: &str, attempts: u32, error: &str, sequence: u64) -> Self {
        let first = |text: &str, most| text.chars().take(most).collect();
        Self {
            id,
            name: first(name, MOST_NAME),
            attempts,
            error: first(error, MOST_ERROR),
            sequence,
        }
    }
}

// === impl Service ===

impl Service {
    /// Tells of those that were not told of yet.
    pub(super) fn tell_dead(&self, letters: &DeadLettered) -> Vec<Event> {
        let news = letters.tasks.iter();
        let news = news.filter(|letter| letter.sequence > self.dead_told);
        let tasks: Vec<_> = news.take(MOST_LETTERS).cloned().collect();
        if tasks.is_empty() {
            return vec![];
        }
        vec![Event::DeadLettered(DeadLettered { tasks })]
    }

    pub(super) fn follow_dead(mut self, event: &Event) -> Self {
        if let Event::DeadLettered(letters) = event {
            let newest = letters.tasks.iter().map(|letter| letter.sequence).max();
            self.dead_told = self.dead_told.max(newest.unwrap_or_default());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::aggregate::testing::when;
    use crate::service::tests::created;
    use crate::service::{Command, ServiceAggregate};

    fn letters(sequences: &[u64]) -> DeadLettered {
        let letter = |sequence: &u64| {
            let id = TaskId(Uuid::from_u128(u128::from(*sequence)));
            DeadLetter::new(id, "sums", 4, "no luck", *sequence)
        };
        DeadLettered {
            tasks: sequences.iter().map(letter).collect(),
        }
    }

    #[test]
    fn each_is_told_once_however_often_it_is_meant() {
        let told = Event::DeadLettered(letters(&[3, 7]));
        for (given, meant, expected) in [
            (vec![created()], letters(&[3, 7]), vec![told.clone()]),
            (vec![created(), told.clone()], letters(&[3, 7]), vec![]),
            (
                vec![created(), told],
                letters(&[7, 9]),
                vec![Event::DeadLettered(letters(&[9]))],
            ),
            (vec![created()], letters(&[]), vec![]),
        ] {
            let decided = when::<ServiceAggregate>(&given, &Command::TellDead(meant));
            assert_eq!(decided, Ok(expected));
        }
    }

    #[test]
    fn an_event_holds_as_many_as_it_tells_of() {
        let long = "\u{1}".repeat(100_000);
        let letter = DeadLetter::new(TaskId(Uuid::nil()), &long, u32::MAX, &long, u64::MAX);
        let tasks = vec![letter; MOST_LETTERS];
        let event = serde_json::to_vec(&DeadLettered { tasks }).unwrap();
        assert!(
            event.len() < crate::envelope::MAX_BYTES / 4 * 3,
            "{}",
            event.len()
        );
    }
}
