//! As many replicas of a service as are wanted: one more beside those that serve, one that leaves, and all of them awake
//! where one is.
//!
//! The first one is started by who asks for the service, and an update brings in the next one: nothing is done here while
//! what serves is not what requests lead to.

use time::OffsetDateTime;

use crate::ids::JobId;
use crate::service::{Activated, Service, Status, Traffic};

/// What the platform means to do about the replicas of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIntent {
    /// Start one more.
    Grow,
    /// Send no more requests to this one, and end it when it is done with those that it has.
    Shrink {
        /// The job.
        job: JobId,
        /// The run.
        run: u32,
    },
    /// Let this one go on, which was held still while nobody asked.
    Thaw {
        /// The job.
        job: JobId,
    },
}

/// What is to be done, and when to look again if nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaPlan {
    /// What is to be done.
    pub intents: Vec<ReplicaIntent>,
    /// When to look again.
    pub look_again: Option<OffsetDateTime>,
}

/// What a service's state asks for. `still` are the runs that are held still since nobody asked.
pub fn on_replicas(service: &Service, still: &[(JobId, u32)], now: OffsetDateTime) -> ReplicaPlan {
    let mut plan = ReplicaPlan::default();
    if service.queue.is_some() || service.status != Status::On || !service.is_settled() {
        return plan;
    }
    let replicas: Vec<&Activated> = service.replicas().collect();
    let wanted = service.wanted_replicas() as usize;
    let surplus = replicas.len().saturating_sub(wanted);
    // The newest leave first, and never the one that serves.
    let others = replicas.iter().rev().filter(|run| !service.serves(run));
    let shrink = others.take(surplus).map(|run| ReplicaIntent::Shrink {
        job: run.job,
        run: run.run,
    });
    plan.intents.extend(shrink);
    let is_awake = !matches!(service.traffic, Traffic::Quiet(_)) || service.terms.keeps_warm();
    if !is_awake {
        return plan;
    }
    let stays = replicas
        .iter()
        .filter(|run| still.contains(&(run.job, run.run)));
    plan.intents
        .extend(stays.map(|run| ReplicaIntent::Thaw { job: run.job }));
    if replicas.len() < wanted && service.gave_up.is_none() {
        match &service.failing {
            Some(failing) if now < failing.retry_on => plan.look_again = Some(failing.retry_on),
            // One at a time: what comes of it brings the policy back.
            Some(_) | None => plan.intents.push(ReplicaIntent::Grow),
        }
    }
    plan
}

#[cfg(test)]
#[path = "replicas_tests.rs"]
mod tests;
