//! What the events of a task add up to: what decides its outcome, and nothing of what it carries.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::Submitted;
use crate::digest::Digest;
use crate::ids::ServiceId;

/// A task, once it was submitted.
pub type State = Option<Task>;

/// A task that was submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The service whose workers take it.
    pub service: ServiceId,
    /// Where it is.
    pub phase: Phase,
    /// How many attempts are over.
    pub attempts: u32,
    /// How many of them came before its retries were counted anew.
    pub forgiven: u32,
    /// How often it is tried again.
    pub retries: u32,
    /// How long it waits until then.
    pub backoff: Backoff,
    /// Whether it has a key.
    pub keyed: bool,
    /// What it carries, by its digest.
    pub payload: Digest,
}

/// Where a task is. Whether a worker has it at the moment is not in the log.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It waits for a worker, or one has it.
    Pending,
    /// A worker did it.
    Done,
    /// Its last attempt failed.
    Failed,
    /// It was not wanted any more.
    Cancelled,
}

/// A text that names no phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task is `pending`, `done`, `failed` or `cancelled`")]
pub struct BadPhase;

/// How long a task waits after an attempt that failed: twice as long each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// After the first one, in milliseconds.
    pub first_ms: u64,
    /// The longest wait, in milliseconds.
    pub most_ms: u64,
}

// === impl Task ===

impl Task {
    pub(super) fn new(submitted: &Submitted) -> Self {
        Self {
            service: submitted.service.id,
            phase: Phase::Pending,
            attempts: 0,
            forgiven: 0,
            retries: submitted.retries,
            backoff: submitted.backoff,
            keyed: submitted.key.is_some(),
            payload: submitted.payload.digest(),
        }
    }

    /// The attempt that is under way, or the next one.
    pub fn attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }

    /// Whether there is another attempt after the one under way.
    pub fn may_retry(&self) -> bool {
        self.attempts.saturating_sub(self.forgiven) < self.retries
    }
}

// === impl Phase ===

impl Phase {
    /// Whether its outcome is decided.
    pub fn is_ended(self) -> bool {
        self != Self::Pending
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl FromStr for Phase {
    type Err = BadPhase;

    fn from_str(text: &str) -> Result<Self, BadPhase> {
        let all = [Self::Pending, Self::Done, Self::Failed, Self::Cancelled];
        let named = all.into_iter().find(|phase| phase.to_string() == text);
        named.ok_or(BadPhase)
    }
}

// === impl Backoff ===

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_ms: 1000,
            most_ms: 300_000,
        }
    }
}

impl Backoff {
    /// The wait after `failures` attempts that failed. `jitter` from 0 to 1 takes up to half of it away, so that
    /// what failed together does not come back together.
    pub fn wait(self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(32);
        let whole = self
            .first_ms
            .saturating_mul(1 << doublings)
            .min(self.most_ms);
        let share = 1.0 - jitter.clamp(0.0, 1.0) / 2.0;
        let whole = Duration::milliseconds(i64::try_from(whole).unwrap_or(i64::MAX));
        whole * share
    }
}
