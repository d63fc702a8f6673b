//! What the events of a service add up to.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Activated, Created, Failing, Fleet, GaveUp, HealthChanged, Queue, Revised, Rollout, Switched,
    Terms, Traffic,
};

/// A service, once it was made.
pub type State = Option<Service>;

/// A service that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// How it was made.
    pub created: Created,
    /// Whether it takes traffic.
    pub status: Status,
    /// The status it goes back to when it is reactivated.
    pub before_deactivation: Status,
    /// What it is to run; absent until its runtime was looked at.
    pub desired: Option<Revised>,
    /// Whether a job of the desired revision was started already.
    pub tried: bool,
    /// The runs that did not end yet, oldest first.
    pub live: Vec<Activated>,
    /// The runs that did not end yet, and have to since the service was stopped.
    pub ending: Vec<Activated>,
    /// How long workers among them may go on with what they are at, in milliseconds.
    pub drain_ms: u64,
    /// How its workers were when that was last told.
    pub health: Option<HealthChanged>,
    /// Its queue, with the number of workers that is wanted now.
    pub queue: Option<Queue>,
    /// The run that requests go to.
    pub serving: Option<Switched>,
    /// How it comes from one revision to the next.
    pub rollout: Rollout,
    /// How many replicas it wants, and which of them take requests.
    pub fleet: Fleet,
    /// The newest runs that did not succeed, one for each key and worker, newest last: a job to run again.
    pub reusable: Vec<Activated>,
    /// On what terms it keeps its job, where its front end is a URL.
    pub terms: Terms,
    /// Whether anybody asks for it.
    pub traffic: Traffic,
    /// How its job failed, if it did since the last one that was good.
    pub failing: Option<Failing>,
    /// That its job failed too often, and is not tried again.
    pub gave_up: Option<GaveUp>,
    /// The sequence of the newest dead letter that was told, in the log of tasks.
    pub dead_told: u64,
}

/// Whether a service takes traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It takes traffic, and starts jobs for it.
    On,
    /// It takes no traffic and has no jobs.
    Off,
    /// It is put away; only reactivation brings it back.
    Deactivated,
    /// It is no more; its history stays.
    Deleted,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
        })
    }
}
