//! What can have happened to a worker.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::events;
use crate::ids::{JobId, ServiceId};

/// A worker was asked for: it works in this run from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The service that it works for.
    pub service: ServiceId,
    /// Which of its workers it is, counted from 0.
    pub index: u32,
    /// Its name: `<service name>:<index>`.
    pub name: String,
    /// Its job.
    pub job: JobId,
    /// The run of the job.
    pub run: u32,
    /// The revision of the service that it runs.
    pub revision: u32,
}

/// Something is wrong with a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unhealthy {
    /// Its job.
    pub job: JobId,
    /// The run of the job.
    pub run: u32,
    /// Why, for programs: `loop-error`, `loop-finished`, `loop-cancelled`, `loop-lost`, `missing-heartbeat`,
    /// `stale-heartbeat(5.1s)`.
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The run ended before it was ready.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlaunched: bool,
}

/// Nothing is wrong with a worker any more, in the same run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovered {
    /// Its job.
    pub job: JobId,
    /// The run of the job.
    pub run: u32,
}

/// A worker that failed was replaced: it works in this run from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restarted {
    /// Its job.
    pub job: JobId,
    /// The run of the job.
    pub run: u32,
    /// The revision of the service that it runs.
    pub revision: u32,
    /// What was wrong with the run before.
    pub reason: String,
    /// How many runs in a row failed by now.
    pub failures: u32,
}

/// A worker ended as it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stopped {
    /// Its job.
    pub job: JobId,
    /// The run of the job.
    pub run: u32,
}

events! {
    /// What can have happened to a worker.
    pub enum Event {
        /// A worker was asked for: it works in a run from now on.
        Started(Started) = "started" 1,
        /// Something is wrong with a worker.
        Unhealthy(Unhealthy) = "unhealthy" 1,
        /// Nothing is wrong with a worker any more.
        Recovered(Recovered) = "recovered" 1,
        /// A worker that failed was replaced: it works in another run from now on.
        Restarted(Restarted) = "restarted" 1,
        /// A worker ended as it was asked to.
        Stopped(Stopped) = "stopped" 1,
    }
}
