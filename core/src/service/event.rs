//! What can have happened to a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Busy, Configured, DeadLettered, Ending, GaveUp, Joined, Queue, Quiet, Resized, Status, Terms,
};
use crate::aggregate::events;
use crate::digest::Digest;
use crate::health;
use crate::ids::{DataId, JobId, RoleId, ServiceId};
use crate::job::{Configuration, Outcome};
use crate::names::{FullName, Name};

/// A service was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Its id.
    pub id: ServiceId,
    /// Its name in the account.
    pub name: Name,
    /// The data that is mounted in its jobs.
    pub runtime: Resource<DataId>,
    /// The role that its jobs have.
    pub role: Resource<RoleId>,
    /// Its first status.
    pub status: Status,
    /// Whether its URL takes requests without a token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// Its queue; absent where its front end is a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Queue")]
    pub queue: Option<Queue>,
    /// On what terms it keeps its job, where its front end is a URL.
    #[serde(default, skip_serializing_if = "Terms::is_usual")]
    pub terms: Terms,
}

/// Something that a service refers to, as it was named then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource<Id> {
    /// Its id.
    pub id: Id,
    /// Its full name.
    pub full_name: FullName,
}

/// A service may run jobs and take traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Started {}

/// A service takes no traffic and its jobs end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// Workers are given nothing more to do, and do not end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_workers: bool,
    /// How long workers may go on with what they are at, in milliseconds; as the queue says where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub timeout_ms: Option<u64>,
}

/// Another number of workers is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scaled {
    /// How many.
    pub workers: u32,
}

/// A service was put away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deactivated {}

/// A service was brought back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reactivated {
    /// The status it has from now on.
    pub status: Status,
}

/// What a service is to run changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Revised {
    /// The number of the revision, counted from 1.
    pub revision: u32,
    /// The key of the configuration.
    pub key: Digest,
    /// What it runs from now on.
    pub configuration: Box<Configuration>,
}

/// A run of a job was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Activated {
    /// The job.
    pub job: JobId,
    /// Its run: 0 for a new job.
    pub run: u32,
    /// The revision that it runs.
    pub revision: u32,
    /// The key of the revision's configuration.
    pub key: Digest,
    /// Which worker of a queue it is, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub worker: Option<u32>,
    /// The platform asked by itself, and nobody else did.
    #[serde(
        default,
        rename = "byItself",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub by_itself: bool,
    /// It is one more beside others of the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replica: bool,
}

/// Requests go to this run from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// The revision that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub revision: Option<u32>,
    /// How long the runs before may go on with the requests that they have, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub drain_ms: Option<u64>,
}

/// A run gets no more requests, and there is none yet in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draining {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// How long it may go on with the requests that it has, in milliseconds.
    pub drain_ms: u64,
}

/// A run is done with the requests that it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drained {
    /// The job.
    pub job: JobId,
    /// Its run.
    pub run: u32,
    /// How many of them were not over in time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut: u64,
}

/// All that a service runs is replaced by the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restarted {
    /// The number that its revision has from now on.
    pub revision: u32,
}

/// A service was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {}

/// A run of one of the service's jobs ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobEnded {
    /// The job.
    pub job: JobId,
    /// The run.
    pub run: u32,
    /// How.
    pub state: Outcome,
    /// The revision that it was to bring in and did not: the one before serves on, and this one is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub failed_revision: Option<u32>,
    /// More of it, where it ended by itself and took requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ending")]
    pub ending: Option<Ending>,
}

/// The health of a service's workers is another than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthChanged {
    /// How they are together.
    pub status: health::Status,
    /// How many are wanted.
    pub workers: u32,
    /// How many work.
    pub running: u32,
    /// How many do not work, or not yet.
    pub pending: u32,
    /// With how many something is wrong.
    pub unhealthy: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

events! {
    /// What can have happened to a service.
    pub enum Event {
        /// A service was made.
        Created(Created) = "created" 1,
        /// A service may run jobs and take traffic.
        Started(Started) = "started" 1,
        /// A service takes no traffic and its jobs end.
        Stopped(Stopped) = "stopped" 1,
        /// A service was put away; name, data and history stay.
        Deactivated(Deactivated) = "deactivated" 1,
        /// A service was brought back.
        Reactivated(Reactivated) = "reactivated" 1,
        /// What a service is to run changed.
        Revised(Revised) = "revised" 1,
        /// A run of a job was asked for, for a request or a start.
        Activated(Activated) = "activated" 1,
        /// Requests go to another run from now on.
        Switched(Switched) = "switched" 1,
        /// A run gets no more requests: there is no room for it and the next one.
        Draining(Draining) = "draining" 1,
        /// A run is done with the requests that it had when they went elsewhere.
        Drained(Drained) = "drained" 1,
        /// A run takes requests beside the one that serves.
        Joined(Joined) = "joined" 1,
        /// The traffic of a service asks for another number of replicas.
        Resized(Resized) = "resized" 1,
        /// All that a service runs is replaced by the same.
        Restarted(Restarted) = "restarted" 1,
        /// A service was taken away; its name is free, its history stays.
        Deleted(Deleted) = "deleted" 1,
        /// A run of one of the service's jobs ended.
        JobEnded(JobEnded) = "job_ended" 1,
        /// Another number of workers is wanted.
        Scaled(Scaled) = "scaled" 1,
        /// The health of a service's workers is another than before.
        HealthChanged(HealthChanged) = "health_changed" 1,
        /// On what terms a service keeps its job changed.
        Configured(Configured) = "configured" 1,
        /// Nothing was open to a service for a while: the time until its job is frozen and stopped counts from `since`.
        Quiet(Quiet) = "quiet" 1,
        /// A service that was quiet is asked for again.
        Busy(Busy) = "busy" 1,
        /// A service's job failed too often in a row: it is not tried again until the service is updated or started.
        GaveUp(GaveUp) = "gave_up" 1,
        /// Tasks of a service failed, and their retries are used up.
        DeadLettered(DeadLettered) = "dead_lettered" 1,
    }
}
