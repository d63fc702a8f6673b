//! Failures in a row of a service's job: when it may be tried again, and that it was given up.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Activated, Event, JobEnded, Service};
use crate::aggregate::Refusal;
use crate::ids::JobId;
use crate::job::Outcome;

/// How many failures in a row are too many, where the platform says nothing else.
pub const RESTART_LIMIT: u32 = 10;
/// The pause after the first failure; it doubles with each.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, before its jitter.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Of how many parts the jitter is counted.
const JITTERS: u32 = 1000;
/// By which part of itself a pause may be longer.
const MOST_JITTER: u32 = 4;
/// How much of what is told of a failure goes into an event.
const MOST_TOLD: usize = 500;

/// How a run of a service's job ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ending {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: OffsetDateTime,
    /// It had answered, and gone on for so long that it did not fail in a row with the run before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steady: bool,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A service's job failed too often in a row, and is not tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GaveUp {
    /// How often.
    pub failures: u32,
    /// Why it failed last, in a word.
    pub reason: String,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What is known of a job that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// How often in a row; 0 where it had run steadily.
    pub failures: u32,
    /// How it ended last.
    pub last: Ending,
    /// When it may be tried again.
    pub retry_on: OffsetDateTime,
}

/// The pause after so many failures in a row. `jitter` is one of [`JITTERS`].
fn pause(failures: u32, jitter: u32) -> Duration {
    let Some(doubled) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let pause = LONGEST_PAUSE.min(SHORTEST_PAUSE * 2_u32.pow(doubled.min(16)));
    pause + pause / MOST_JITTER * jitter / JITTERS
}

/// The same for everyone who asks, and another for each run.
fn jitter(job: JobId, run: u32) -> u32 {
    let name = format!("jitter/{run}");
    let (_, low) = uuid::Uuid::new_v5(&job.0, name.as_bytes()).as_u64_pair();
    u32::try_from(low % u64::from(JITTERS)).unwrap_or_default()
}

// === impl Ending ===

impl Ending {
    /// How a run ended, in so many words as an event takes.
    pub fn new(at: OffsetDateTime, steady: bool, reason: &str, message: &str) -> Self {
        Self {
            at: at.truncate_to_millisecond(),
            steady,
            reason: reason.into(),
            message: message.chars().take(MOST_TOLD).collect(),
        }
    }
}

// === impl GaveUp ===

impl GaveUp {
    /// After these failures.
    pub fn after(failing: &Failing) -> Self {
        Self {
            failures: failing.failures,
            reason: failing.last.reason.clone(),
            message: failing.last.message.clone(),
        }
    }

    /// Why, for people.
    pub fn told(&self) -> &str {
        match self.message.as_str() {
            "" => &self.reason,
            message => message,
        }
    }
}

// === impl Service ===

impl Service {
    /// Refuses to run what was given up, or is to pause until later than `now`.
    pub(super) fn must_not_rest(&self, now: OffsetDateTime) -> Result<(), Refusal> {
        self.must_not_be_given_up()?;
        let name = &self.created.name;
        match &self.failing {
            Some(failing) if now < failing.retry_on => Err(Refusal::conflict(
                "backing-off",
                format!("the job of service `{name}` failed, and is tried again in a moment"),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn must_not_be_given_up(&self) -> Result<(), Refusal> {
        let Some(gave_up) = &self.gave_up else {
            return Ok(());
        };
        let name = &self.created.name;
        let (failures, told) = (gave_up.failures, gave_up.told());
        Err(Refusal::conflict(
            "service-failed",
            format!(
                "the job of service `{name}` failed {failures} times in a row, and is not tried again: {told}. \
                 Mend that with `eai service update {name}`, or try again with `eai service start {name}`"
            ),
        ))
    }

    /// Given up is what failed so often, and nothing that changed meanwhile.
    pub(super) fn give_up(&self, gave_up: &GaveUp) -> Result<Vec<Event>, Refusal> {
        if self.gave_up.as_ref() == Some(gave_up) {
            return Ok(vec![]);
        }
        let failed = self.failing.as_ref().map(GaveUp::after);
        if failed.as_ref() != Some(gave_up) || !self.live.is_empty() {
            return Err(Refusal::stale("the service moved on meanwhile"));
        }
        Ok(vec![Event::GaveUp(gave_up.clone())])
    }

    /// Whether something is not tried again by itself: its newest revision, or its job at all. An update, a rollback,
    /// a restart and a start try it again, and hold nothing against it any more.
    pub fn is_held_back(&self) -> bool {
        self.gave_up.is_some() || self.rollout.failed.is_some()
    }

    /// Whether anything that failed is held against it.
    pub(super) fn has_failed(&self) -> bool {
        self.is_held_back() || self.failing.is_some()
    }

    /// Folds what tells of failures; before the end of a run is forgotten, since what it ran counts.
    pub(super) fn follow_failures(mut self, event: &Event) -> Self {
        match event {
            Event::Revised(_) | Event::Restarted(_) | Event::Started(_) => {
                self.failing = None;
                self.gave_up = None;
            }
            Event::GaveUp(gave_up) => self.gave_up = Some(gave_up.clone()),
            Event::JobEnded(ended) if self.queue.is_none() => self.count(ended),
            _ => {}
        }
        self
    }

    fn count(&mut self, ended: &JobEnded) {
        // The revision that it was to bring in failed, and not the one that is run instead; nor does it count what
        // happens to a run that others took the place of.
        let is_it = |run: &&Activated| (run.job, run.run) == (ended.job, ended.run);
        let run = self.live.iter().find(is_it);
        let was_replaced = run.is_some_and(|run| !self.is_current(run));
        if ended.failed_revision.is_some() || was_replaced {
            return;
        }
        // What is kept warm is to go on, and so is a replica; elsewhere who is done is done.
        let failed = match ended.state {
            Outcome::Failed => true,
            Outcome::Succeeded => self.terms.keeps_warm() || run.is_some_and(|run| run.replica),
            Outcome::Interrupted => return,
            Outcome::Cancelled => false,
        };
        let Some(ending) = ended.ending.as_ref().filter(|_| failed) else {
            self.failing = None;
            return;
        };
        let before = self.failing.as_ref().map_or(0, |failing| failing.failures);
        let failures = if ending.steady { 0 } else { before + 1 };
        self.failing = Some(Failing {
            failures,
            retry_on: ending.at + pause(failures, jitter(ended.job, ended.run)),
            last: ending.clone(),
        });
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
