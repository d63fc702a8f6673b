//! How the workers of a queue service are: what monitors, scripts and pages are told, and what is good enough.
//!
//! All of it is a pure function of what is known of the service, its workers and the time. Names, fields, rules and
//! texts are a contract with those who read them.

mod facts;
mod gate;
mod payload;
mod prometheus;
mod snapshot;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use facts::{Cleanup, Facts, Heartbeat, Over, Place, RunIs, Tasks, Worker};
pub use gate::{Sla, Verdict};
pub use payload::{Health, SCHEMA, StatusReply, WINDOW, WorkerHealth, target};
pub use prometheus::{Measured, prometheus};
pub use snapshot::{SNAPSHOT_SCHEMA, Snapshot};

/// How a queue service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every worker that is wanted works.
    Running,
    /// Some worker does not.
    Degraded,
    /// It has nothing to do, and no workers.
    Idle,
    /// It was stopped.
    Stopped,
    /// None of its workers can be started.
    Error,
}

impl Status {
    /// Every status there is.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Idle,
        Self::Degraded,
        Self::Error,
        Self::Stopped,
    ];

    /// As it is shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
