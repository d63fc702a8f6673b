//! What a service asks for that is on its way to another revision: the new run first, then the requests, then the
//! end of the old one.
//!
//! Pure: the time, and what is known of the runs, come in with the facts. An intent is carried out as a command that
//! is refused if the state moved on, so it may be meant twice.

use time::{Duration, OffsetDateTime};

use super::Intent;
use crate::fail_point;
use crate::ids::JobId;
use crate::service::{Activated, Service, Status};

/// How long after the end of its time a run is waited for that nobody said to be done: who was to say so may be away.
const GRACE: Duration = Duration::seconds(5);

/// What is known of the runs beyond the service's own state.
#[derive(Clone, Debug)]
pub struct Drains {
    /// Now.
    pub now: OffsetDateTime,
    /// Until when runs that leave may go on with the requests that they have.
    pub until: Vec<(JobId, u32, OffsetDateTime)>,
    /// Whether the new run waits for room that it would have if the one that serves were gone.
    pub no_room: bool,
}

/// What is to be done, and when to look again if nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rolling {
    /// What is to be done.
    pub intents: Vec<Intent>,
    /// When to look again.
    pub look_again: Option<OffsetDateTime>,
}

/// What a service's state asks for.
///
/// A revision whose run ended before it answered is not started again by itself, and the one before serves on. One
/// that was overtaken ends unfinished.
pub fn on_rollout(service: &Service, drains: &Drains) -> Rolling {
    let mut rolling = Rolling::default();
    // Workers of a queue are replaced in place: see [`super::on_queue`].
    if service.queue.is_some() || service.status != Status::On {
        return rolling;
    }
    let mut serving = None;
    let mut current = None;
    for run in &service.live {
        if service.leaving(run.job, run.run).is_some() {
            rolling.at_leaving(service, run, drains);
            continue;
        }
        if service.serves(run) {
            serving = Some(run);
        }
        if service.is_current(run) {
            current = Some(run);
        } else if service.serving.is_none() {
            // Overtaken; and where none serves, requests go to whatever answers, so it may have some.
            rolling.drain(run.job, run.run);
        } else if !service.takes_requests(run) {
            // Overtaken before it answered, or from a time when nothing was said of leaving.
            rolling.cancel(run);
        }
    }
    match (serving, current) {
        (Some(serving), Some(_)) if service.is_current(serving) => {}
        (Some(serving), Some(_)) if drains.no_room => {
            // One of many gives way after the other, and the one that serves last.
            let joined = service.fleet.joined.last();
            let (job, run) = joined.map_or((serving.job, serving.run), |run| (run.job, run.run));
            if joined.is_none() || service.rollout.leaving.is_empty() {
                rolling.drain(job, run);
            }
        }
        (_, Some(_)) => {}
        (_, None) if service.tried || service.live.is_empty() => {}
        // First of all: while the old ones go on, requests have where to go.
        (_, None) => rolling.intents.insert(0, Intent::Activate),
    }
    rolling
}

// === impl Rolling ===

impl Rolling {
    fn cancel(&mut self, run: &Activated) {
        self.intents.push(Intent::Cancel {
            job: run.job,
            run: run.run,
            reason: "superseded",
        });
    }

    fn drain(&mut self, job: JobId, run: u32) {
        self.intents.push(Intent::Drain { job, run });
    }

    fn at_leaving(&mut self, service: &Service, run: &Activated, drains: &Drains) {
        let is_it = |(job, number, _): &&(JobId, u32, _)| (*job, *number) == (run.job, run.run);
        let until = drains.until.iter().find(is_it).map(|(_, _, until)| *until);
        let done = service
            .leaving(run.job, run.run)
            .is_some_and(|leaving| leaving.done);
        let due = until.map(|until| until + GRACE);
        let is_due = due.is_some_and(|due| due <= drains.now);
        if done || is_due || fail_point::is_broken(fail_point::NO_DRAIN) {
            return self.cancel(run);
        }
        self.look_again = self.look_again.into_iter().chain(due).min();
    }
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
