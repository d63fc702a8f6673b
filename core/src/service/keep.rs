//! On what terms a service keeps its job, and whether anybody asks for it: what downscaling is decided on.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Event, Replicas, Service};
use crate::aggregate::Refusal;

/// How long a job is kept that nobody asks for, where neither service nor platform says otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_hours(24);
/// The shortest such time of a service with a URL, in milliseconds.
pub const MIN_IDLE_TIMEOUT_MS: u64 = 1_000;
/// The longest one, in milliseconds.
pub const MAX_IDLE_TIMEOUT_MS: u64 = 366 * 24 * 3600 * 1000;
/// A service that nobody asks for is said to be quiet after so long, at most.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);
/// Or after such a part of its idle timeout.
const SILENCES: u32 = 48;

/// On what terms a service keeps its job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// How long a job is kept that nobody asks for, in milliseconds; as the platform says where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub idle_timeout_ms: Option<u64>,
    /// How many jobs are kept though nobody asks: 0 or 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_ready: u32,
    /// How many jobs it has behind its URL.
    #[serde(default, skip_serializing_if = "Replicas::is_usual")]
    pub replicas: Replicas,
}

/// Other terms for a service; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Another idle timeout; 0 is what is usual.
    pub idle_timeout_ms: Option<u64>,
    /// Another number of jobs that are kept.
    pub min_ready: Option<u32>,
    /// At least and at most so many replicas.
    pub replicas: Option<(u32, u32)>,
    /// Each of them meant for so many requests at a time.
    pub concurrency: Option<u32>,
}

/// A service has other terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configured {
    /// The terms from now on.
    pub terms: Terms,
}

/// Nothing is open to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quiet {
    /// When the last byte passed.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: OffsetDateTime,
}

/// A service is asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Busy {}

/// Whether anybody asks for a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Traffic {
    /// Nobody ever did.
    #[default]
    Never,
    /// Somebody does, or did when this was last told.
    Busy,
    /// Nobody does, since then.
    Quiet(OffsetDateTime),
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// After which silence a service with this idle timeout is said to be quiet.
pub fn silence(idle_timeout: Duration) -> Duration {
    LONGEST_SILENCE.min(idle_timeout / SILENCES)
}

// === impl Traffic ===

impl Traffic {
    /// What it is after an event.
    pub(crate) fn after(self, event: &Event) -> Self {
        match event {
            // What was kept warm until now may have a job that nobody ever asked for.
            Event::Configured(_) if self == Self::Never => Self::Busy,
            Event::Quiet(quiet) => Self::Quiet(quiet.since),
            event if event.stirs() => Self::Busy,
            _ => self,
        }
    }
}

// === impl Terms ===

impl Terms {
    /// Whether nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a job is kept though nobody asks.
    pub fn keeps_warm(&self) -> bool {
        self.min_ready > 0
    }

    /// How long a job is kept that nobody asks for.
    pub fn idle_timeout(&self, usual: Duration) -> Duration {
        self.idle_timeout_ms.map_or(usual, Duration::from_millis)
    }

    /// Refuses what no service with a URL can have.
    pub fn check(&self) -> Result<(), Refusal> {
        let bad = |message| Err(Refusal::invalid("bad-terms", message));
        let allowed = MIN_IDLE_TIMEOUT_MS..=MAX_IDLE_TIMEOUT_MS;
        if self
            .idle_timeout_ms
            .is_some_and(|time| !allowed.contains(&time))
        {
            return bad(format!(
                "the idle timeout of a service is {MIN_IDLE_TIMEOUT_MS} to {MAX_IDLE_TIMEOUT_MS} milliseconds"
            ));
        }
        if self.min_ready > 1 {
            return bad(format!(
                "a service keeps 0 or 1 jobs ready, not {}",
                self.min_ready
            ));
        }
        self.replicas.check()
    }
}

// === impl Service ===

impl Service {
    /// A queue's idle timeout is a term of the queue; it has workers in place of a job that is kept.
    pub(super) fn configure(&self, change: Change) -> Result<Vec<Event>, Refusal> {
        let mut terms = self.terms();
        if let Some(time) = change.idle_timeout_ms {
            terms.idle_timeout_ms = (time > 0).then_some(time);
        }
        terms.min_ready = change.min_ready.unwrap_or(terms.min_ready);
        if let Some((min, max)) = change.replicas {
            (terms.replicas.min, terms.replicas.max) = (min, max);
        }
        terms.replicas.concurrency = change.concurrency.unwrap_or(terms.replicas.concurrency);
        if let Some(queue) = &self.queue {
            let mut queue = queue.clone();
            queue.idle_timeout_ms = terms.idle_timeout_ms;
            queue.check()?;
            if change.replicas.is_some() || change.concurrency.is_some() {
                return Err(Refusal::invalid(
                    "bad-terms",
                    "a queue has workers, and no replicas: `eai service scale` says how many",
                ));
            }
            if terms.keeps_warm() {
                return Err(Refusal::invalid(
                    "bad-terms",
                    "a queue keeps workers, and no job for requests: `eai service scale` says how many",
                ));
            }
        } else {
            terms.check()?;
        }
        Ok(if terms == self.terms() {
            vec![]
        } else {
            vec![Event::Configured(Configured { terms })]
        })
    }

    fn terms(&self) -> Terms {
        match &self.queue {
            Some(queue) => Terms {
                idle_timeout_ms: queue.idle_timeout_ms,
                ..Terms::default()
            },
            None => self.terms,
        }
    }

    /// Older news than what is known are none.
    pub(super) fn say_quiet(&self, quiet: &Quiet) -> Vec<Event> {
        match self.traffic {
            Traffic::Quiet(since) if quiet.since <= since => vec![],
            _ => vec![Event::Quiet(quiet.clone())],
        }
    }

    pub(super) fn say_busy(&self) -> Vec<Event> {
        match self.traffic {
            Traffic::Busy => vec![],
            Traffic::Never | Traffic::Quiet(_) => vec![Event::Busy(Busy {})],
        }
    }

    /// Whether somebody asked for it so short a time ago that its job is kept.
    pub fn is_wanted(&self, usual: Duration, now: OffsetDateTime) -> bool {
        let asked = match self.traffic {
            Traffic::Never => false,
            Traffic::Busy => true,
            Traffic::Quiet(since) => now < since + self.terms.idle_timeout(usual),
        };
        asked || self.terms.keeps_warm()
    }

    /// Folds what tells of its terms and its traffic.
    pub(super) fn follow_traffic(mut self, event: &Event) -> Self {
        if let Event::Configured(configured) = event {
            match &mut self.queue {
                Some(queue) => queue.idle_timeout_ms = configured.terms.idle_timeout_ms,
                None => self.terms = configured.terms,
            }
        }
        self.traffic = self.traffic.after(event);
        self
    }
}

// === impl Event ===

impl Event {
    /// Whether somebody asked for the service.
    pub fn stirs(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Started(_) => true,
            Self::Activated(activated) => !activated.by_itself,
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
