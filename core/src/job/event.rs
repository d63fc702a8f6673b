//! What can have happened to a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Configuration, Endpoint, Outcome};
use crate::aggregate::events;
use crate::digest::Digest;
use crate::ids::{AccountId, ExecutorId, JobId, ServiceId, UserId};
use crate::names::Name;
use crate::service::Resource;

/// A job was asked for: it is QUEUING, run 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// Its id.
    pub id: JobId,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Name")]
    pub name: Option<Name>,
    /// The service that it works for; absent for a job that stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ForService")]
    pub service: Option<ForService>,
    /// What it runs.
    pub configuration: Box<Configuration>,
    /// The account's id, for the job's environment.
    pub account_id: AccountId,
    /// Whom it runs for, for the job's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UserId")]
    pub user: Option<UserId>,
}

/// The service behind a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForService {
    /// The service.
    #[serde(flatten)]
    pub service: Resource<ServiceId>,
    /// Its revision.
    pub revision: u32,
    /// The key of its configuration.
    pub key: Digest,
    /// Which worker of the service's queue it is, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub worker: Option<u32>,
}

/// An executor took the run: the job is QUEUED while image and data are prepared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claimed {
    /// The run, counted from 0.
    pub run: u32,
    /// The claim, counted from 1 over all runs of the job: the fencing number of everything that follows.
    pub claim: u32,
    /// Who took it.
    pub executor: ExecutorId,
    /// The executor's epoch.
    pub epoch: u32,
}

/// The command runs: the job is RUNNING.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The run.
    pub run: u32,
    /// The claim.
    pub claim: u32,
    /// What runs it: `process`, `docker`.
    pub backend: String,
    /// Where its ports are reached.
    pub endpoint: Endpoint,
    /// What keeps it within its limits: `cgroup-v2`, `cgroup-v1`, `rlimit`, `docker`.
    pub limits: String,
    /// How it reaches the outside: `pasta`, `none`, `bridge`.
    pub network: String,
    /// The image that it runs with; absent where the backend has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub image: Option<String>,
    /// The image was not used, since the backend has none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image_ignored: bool,
}

/// It answers on its port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ready {
    /// The run.
    pub run: u32,
    /// The claim.
    pub claim: u32,
    /// How long each phase of the start took.
    pub phases: Phases,
}

/// The phases of a start, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Phases {
    /// From asked for to claimed.
    pub queue: u64,
    /// Until the image was there.
    pub image: u64,
    /// Until the data was there.
    pub data: u64,
    /// Until the sandbox or container was made.
    pub create: u64,
    /// Until the command ran.
    pub start: u64,
    /// Until it answered.
    pub ready: u64,
}

/// It answers no more, or not yet for a reason that can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unready {
    /// The run.
    pub run: u32,
    /// The claim.
    pub claim: u32,
    /// What the probe met.
    pub reason: String,
}

/// None of its processes goes on until it is thawed. The job stays RUNNING.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    /// The run.
    pub run: u32,
    /// The claim.
    pub claim: u32,
    /// Why: `asked`, `idle`.
    pub reason: String,
}

/// Its processes go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Thawed {
    /// The run.
    pub run: u32,
    /// The claim.
    pub claim: u32,
}

/// It was asked to end: the job is CANCELLING.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cancelling {
    /// The run.
    pub run: u32,
    /// Why: `killed`, `service-stopped`, `superseded`, `scaled-down`, ….
    pub reason: String,
    /// How long a worker may go on with the task that it is at before it is told to end, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub drain_ms: Option<u64>,
}

/// The run ended, and the job with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// The run.
    pub run: u32,
    /// The claim; absent where nobody had claimed the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub claim: Option<u32>,
    /// How.
    pub state: Outcome,
    /// Why, for programs: `exit`, `signal`, `out-of-memory`, `killed`, `executor-lost`, ….
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The command's exit code, if it exited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub signal: Option<i32>,
}

/// The job runs again: it is QUEUING with a new run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retried {
    /// The new run.
    pub run: u32,
}

events! {
    /// What can have happened to a job.
    pub enum Event {
        /// A job was asked for: it is QUEUING.
        Submitted(Submitted) = "submitted" 1,
        /// An executor took the run: the job is QUEUED.
        Claimed(Claimed) = "claimed" 1,
        /// The command runs: the job is RUNNING.
        Started(Started) = "started" 1,
        /// The job answers on its port.
        Ready(Ready) = "ready" 1,
        /// The job answers no more, or not yet for a reason that can be told.
        Unready(Unready) = "unready" 1,
        /// None of the job's processes goes on until it is thawed; it stays RUNNING.
        Frozen(Frozen) = "frozen" 1,
        /// The job's processes go on.
        Thawed(Thawed) = "thawed" 1,
        /// The job was asked to end: it is CANCELLING.
        Cancelling(Cancelling) = "cancelling" 1,
        /// The run ended: the job is SUCCEEDED, FAILED, CANCELLED or INTERRUPTED.
        Ended(Ended) = "ended" 1,
        /// The job is to run again: it is QUEUING with a new run.
        Retried(Retried) = "retried" 1,
    }
}
