//! What can have happened to a task.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Backoff, Content};
use crate::aggregate::events;
use crate::ids::{JobId, ServiceId, TaskId};
use crate::service::Resource;

/// A task was given to a service: it is pending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// Its id.
    pub id: TaskId,
    /// The service whose workers take it.
    pub service: Resource<ServiceId>,
    /// The `task_id` that the submitter chose, which several tasks may share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub batch: Option<String>,
    /// Its label.
    pub name: String,
    /// The name of the worker that alone may take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub worker: Option<String>,
    /// The number of the worker that alone may take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub worker_idx: Option<u32>,
    /// The greater, the sooner.
    #[serde(default)]
    pub priority: i32,
    /// No worker takes it before.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_before: Option<OffsetDateTime>,
    /// How often it is tried again after an attempt that failed.
    pub retries: u32,
    /// How long it waits until then.
    pub backoff: Backoff,
    /// How long an attempt may take, in milliseconds; absent where the service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub timeout_ms: Option<u64>,
    /// The submitter's key: the same key in the same service is the same task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub key: Option<String>,
    /// `plan`, `metadata`, `args`, and whatever else the submitter sent.
    pub payload: Content,
}

/// Who worked on an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The worker's name: `<service>:<index>`.
    pub worker: String,
    /// Its index.
    pub worker_idx: u32,
    /// One life of the worker: 32 hexadecimal digits.
    pub incarnation: String,
    /// The job behind it.
    pub job: JobId,
    /// When it got the task.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub claimed_at: OffsetDateTime,
}

/// A worker did it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The attempt, counted from 1 over the task's life.
    pub attempt: u32,
    /// Who did it.
    pub claim: Claim,
    /// When it was done.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub finished_at: OffsetDateTime,
    /// How long the worker had it, in microseconds.
    pub runtime_us: u64,
    /// The worker's answer.
    pub result: Content,
    /// What it printed meanwhile: a JSON string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Content")]
    pub logs: Option<Content>,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The attempt, counted from 1 over the task's life.
    pub attempt: u32,
    /// Who had it.
    pub claim: Claim,
    /// When it was over.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub finished_at: OffsetDateTime,
    /// How long the worker had it, in microseconds.
    pub runtime_us: u64,
    /// What went wrong.
    pub error: String,
    /// Where in the worker's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub traceback: Option<String>,
    /// How the platform saw that the worker was gone, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Recovery")]
    pub recovery: Option<Recovery>,
    /// What it printed meanwhile: a JSON string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Content")]
    pub logs: Option<Content>,
}

/// A task was taken from a worker that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// Why: `expired-worker-heartbeat`.
    pub reason: String,
    /// How long ago the worker had got it, in seconds.
    pub task_age_sec: f64,
    /// How long ago the worker was heard of, in seconds; null where it never was.
    pub heartbeat_age_sec: Option<f64>,
}

/// An attempt failed, and the task waits for the next one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptFailed {
    /// How.
    pub failure: Failure,
    /// No worker takes it before.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub retry_at: OffsetDateTime,
}

/// The last attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failed {
    /// How.
    pub failure: Failure,
    /// It had retries and used them up: it is a dead letter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
}

/// It is not wanted any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cancelled {}

/// It is pending again, with all its retries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Requeued {
    /// How many attempts are over.
    pub attempts: u32,
}

// === impl Submitted ===

impl Submitted {
    /// The index of the worker that alone may take it. A name that is not one of the service's is nobody's, so
    /// that anybody may.
    pub fn pin(&self) -> Option<u32> {
        let named = || {
            let (service, index) = self.worker.as_deref()?.rsplit_once(':')?;
            (service == self.service.full_name.name.as_str()).then(|| index.parse().ok())?
        };
        self.worker_idx.or_else(named)
    }
}

events! {
    /// What can have happened to a task.
    pub enum Event {
        /// A task was given to a service: it is pending.
        Submitted(Box<Submitted>) = "submitted" 1,
        /// An attempt failed, and the task waits for the next one.
        AttemptFailed(AttemptFailed) = "attempt_failed" 1,
        /// A worker did it.
        Done(Done) = "done" 1,
        /// The last attempt failed.
        Failed(Failed) = "failed" 1,
        /// The task is not wanted any more.
        Cancelled(Cancelled) = "cancelled" 1,
        /// The task is pending again, with all its retries.
        Requeued(Requeued) = "requeued" 1,
    }
}
