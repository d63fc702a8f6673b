//! What may be asked of a service.

use super::{
    Activated, Change, Created, DeadLettered, Drained, Draining, GaveUp, HealthChanged, JobEnded,
    Quiet, Resized, Stopped, Switched,
};
use crate::ids::JobId;
use crate::job::Configuration;

/// A command to one service.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Let it run jobs and take traffic.
    Start,
    /// End its jobs and take no traffic.
    Stop,
    /// Give its workers nothing more to do, and end them unless they are to be kept.
    StopWorkers(Stopped),
    /// Have so many workers.
    Scale {
        /// How many.
        workers: u32,
    },
    /// Put it away: name, data and history stay.
    Deactivate,
    /// Bring it back as it was before it was deactivated.
    Reactivate,
    /// Run this from now on.
    Revise(Box<Configuration>),
    /// Start a job, or run one again: exactly as [`super::Service::activation`] says.
    Activate(Activated),
    /// Its workers are like this now.
    ReportHealth(HealthChanged),
    /// Send requests to this run.
    Switch(Switched),
    /// Send no more requests to this run, since there is no room for it and the next one.
    Drain(Draining),
    /// A run is done with the requests that it had.
    Drained(Drained),
    /// Send requests to this run as well: it is one more of the same.
    Join {
        /// The job.
        job: JobId,
        /// Its run.
        run: u32,
    },
    /// Have as many replicas as its traffic asks for.
    Resize(Resized),
    /// Run the same anew.
    Restart {
        /// The revision that is replaced: once it is another one, there is nothing left to do.
        after: u32,
    },
    /// Take it away; its history stays.
    Delete,
    /// One of its jobs ended.
    EndJob(JobEnded),
    /// Keep its job on other terms.
    Configure(Change),
    /// Nobody asks for it.
    Quiet(Quiet),
    /// Somebody asks for it again.
    Busy,
    /// Its job failed too often.
    GiveUp(GaveUp),
    /// Some of its tasks failed for good.
    TellDead(DeadLettered),
}
