//! What a queue service's workers ask for: each place that is wanted is filled, and filled again where it failed.
//!
//! Pure: the time and what was heard of the workers come in with the facts. An intent is carried out as a command
//! that is refused if the state moved on, so it may be meant twice.

use time::{Duration, OffsetDateTime};

use crate::health::{Facts, Over, Place, RunIs, Worker};
use crate::ids::JobId;
use crate::service::{Activated, Revised, Service, Status};
use crate::worker::{Command, Condition, Recovered, Restart, Stopped, Unhealthy};

/// Why runs end that the platform wants to end: nothing is wrong with a worker whose run did.
pub const PLANNED: [&str; 4] = ["service-stopped", "superseded", "scaled-down", "idle"];
/// A run that lasted so long did not fail in a row with the one before.
const STEADY: Duration = Duration::minutes(1);
/// The pause after the second failure in a row; there is none after the first, and it doubles with each.
const SHORTEST_PAUSE: Duration = Duration::seconds(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::minutes(1);
/// When a worker that something is wrong with is looked at again.
const LOOK_AGAIN: Duration = Duration::milliseconds(500);

/// What the platform means to do about a worker.
#[derive(Clone, Debug)]
pub enum WorkerIntent {
    /// End a run.
    End {
        /// The job.
        job: JobId,
        /// The run.
        run: u32,
        /// Why.
        reason: &'static str,
        /// How long it may go on with what it is at, in milliseconds; it is to end at once where there is nothing.
        drain_ms: Option<u64>,
    },
    /// Fill a place.
    Run {
        /// The place.
        index: u32,
        /// Why, where the run before failed.
        restart: Option<Restart>,
    },
    /// Say what became of a worker.
    Say {
        /// The place.
        index: u32,
        /// What.
        command: Command,
    },
}

/// What is to be done, and when to look again if nothing happens.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is to be done.
    pub intents: Vec<WorkerIntent>,
    /// When to look again.
    pub look_again: Option<OffsetDateTime>,
}

/// What a queue service's state asks for.
pub fn on_queue(service: &Service, facts: &Facts) -> Plan {
    let mut plan = Plan::default();
    for run in &service.ending {
        plan.end(run, "service-stopped", Some(service.drain_ms));
    }
    let desired = service.desired.as_ref();
    let Some(desired) = desired.filter(|_| service.status == Status::On) else {
        // Those that were kept are left alone.
        for place in &facts.places {
            if service.run_of(place.index).is_none() {
                plan.let_go(place);
            }
        }
        return plan;
    };
    let drain = service.queue.as_ref().map(|queue| queue.stop_timeout_ms);
    let wanted = facts.wanted();
    let surplus = if facts.asleep { "idle" } else { "scaled-down" };
    let mut look = Look {
        service,
        facts,
        desired,
        plan,
        unsettled: false,
        old: None,
    };
    for place in &facts.places {
        match service.run_of(place.index) {
            Some(Alive::Ending) => look.unsettled = true,
            Some(Alive::Live(run)) if place.index >= wanted => look.plan.end(run, surplus, drain),
            Some(Alive::Live(run)) => look.at_alive(place, run),
            None if place.index >= wanted => look.plan.let_go(place),
            None => look.at_empty(place),
        }
    }
    // One after the other, and no further than to the first that does not come up again.
    if let (Some(old), false) = (look.old, look.unsettled) {
        look.plan.end(old, "superseded", drain);
    }
    look.plan
}

/// The pause before a worker starts anew that failed so many times in a row.
fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => LONGEST_PAUSE.min(SHORTEST_PAUSE * 2_i32.pow((more - 2).min(16))),
    }
}

enum Alive<'a> {
    Live(&'a Activated),
    Ending,
}

impl Service {
    /// The run that fills a place, or still does.
    fn run_of(&self, index: u32) -> Option<Alive<'_>> {
        let fills = |run: &&Activated| run.worker == Some(index);
        if let Some(run) = self.live.iter().rev().find(fills) {
            return Some(Alive::Live(run));
        }
        self.ending
            .iter()
            .any(|run| fills(&run))
            .then_some(Alive::Ending)
    }
}

// === impl Plan ===

impl Plan {
    fn end(&mut self, run: &Activated, reason: &'static str, drain_ms: Option<u64>) {
        let (job, run) = (run.job, run.run);
        self.intents.push(WorkerIntent::End {
            job,
            run,
            reason,
            drain_ms,
        });
    }

    fn say(&mut self, place: &Place, command: Command) {
        let index = place.index;
        self.intents.push(WorkerIntent::Say { index, command });
    }

    /// A worker that is not wanted any more, and has no run.
    fn let_go(&mut self, place: &Place) {
        if let Some(worker) = &place.worker
            && worker.condition != Condition::Stopped
        {
            let (job, run) = (worker.job, worker.run);
            self.say(place, Command::Stop(Stopped { job, run }));
        }
    }

    fn look_at(&mut self, time: OffsetDateTime) {
        let sooner = self.look_again.is_none_or(|before| time < before);
        if sooner {
            self.look_again = Some(time);
        }
    }
}

/// A look at the places of a service that is on.
struct Look<'a> {
    service: &'a Service,
    facts: &'a Facts,
    desired: &'a Revised,
    plan: Plan,
    /// Some worker of the newest revision is not at work, or not yet.
    unsettled: bool,
    /// The first run of an older revision.
    old: Option<&'a Activated>,
}

impl<'a> Look<'a> {
    fn at_alive(&mut self, place: &Place, run: &'a Activated) {
        let is_old = !self.service.is_current(run);
        if is_old && self.old.is_none() {
            self.old = Some(run);
        }
        let worker = place.worker.as_ref();
        let Some(worker) = worker.filter(|worker| (worker.job, worker.run) == (run.job, run.run))
        else {
            // It was asked for, and its own events are on their way.
            self.unsettled |= !is_old;
            return;
        };
        let ready = matches!(worker.run_is, RunIs::Ready(_));
        self.unsettled |= !is_old && !ready;
        let now = self.facts.now;
        match (self.facts.complaint(place), &worker.condition) {
            (Some(_), _) if worker.run_is == RunIs::Ending => {}
            (Some(reason), Condition::Well) => {
                let message = "it gave no sign of life for too long".into();
                self.plan.say(place, fail(worker, reason, message, false));
            }
            (Some(_), Condition::Unhealthy { .. }) => self.plan.end(run, "unhealthy", None),
            (None, Condition::Unhealthy { .. }) if ready && self.hears() => {
                let (job, run) = (worker.job, worker.run);
                self.plan
                    .say(place, Command::Recover(Recovered { job, run }));
            }
            (None, Condition::Unhealthy { .. }) => self.plan.look_at(now + LOOK_AGAIN),
            (Some(_) | None, Condition::Stopped) | (None, Condition::Well) => {
                if ready {
                    let age = place.heartbeat.map_or(Duration::ZERO, |heartbeat| {
                        Duration::try_from(heartbeat.age).unwrap_or_default()
                    });
                    let timeout = Duration::try_from(self.facts.timeout()).unwrap_or(STEADY);
                    self.plan
                        .look_at(now + (timeout - age).max(Duration::ZERO) + LOOK_AGAIN / 10);
                }
            }
        }
    }

    fn at_empty(&mut self, place: &Place) {
        self.unsettled = true;
        let Some(worker) = &place.worker else {
            return self.run(place, None);
        };
        let is_other = worker.revision != self.desired.revision;
        match &worker.condition {
            Condition::Stopped => self.run(place, None),
            Condition::Well => match &worker.run_is {
                RunIs::Over(over) if over.planned || is_other => self.run(place, None),
                RunIs::Over(over) => {
                    let Over {
                        message, was_ready, ..
                    } = over;
                    let failed = fail(worker, over.reason(), message.clone(), !was_ready);
                    self.plan.say(place, failed);
                }
                // What came of it is on its way.
                RunIs::Starting | RunIs::Ready(_) | RunIs::Ending | RunIs::Unknown => {}
            },
            Condition::Unhealthy { reason } => {
                let steady = worker.since - worker.started >= STEADY;
                // What failed before may be mended in the newest revision.
                let failures = if steady || is_other {
                    1
                } else {
                    worker.failures + 1
                };
                let due = worker.since + pause(failures);
                if self.facts.now < due {
                    return self.plan.look_at(due);
                }
                let reason = reason.clone();
                self.run(place, Some(Restart { reason, failures }));
            }
        }
    }

    fn run(&mut self, place: &Place, restart: Option<Restart>) {
        let index = place.index;
        self.plan.intents.push(WorkerIntent::Run { index, restart });
    }

    /// Whether signs of life were heard for long enough to be believed.
    fn hears(&self) -> bool {
        self.facts.listening >= self.facts.timeout()
    }
}

fn fail(worker: &Worker, reason: String, message: String, unlaunched: bool) -> Command {
    Command::Fail(Unhealthy {
        job: worker.job,
        run: worker.run,
        reason,
        message,
        unlaunched,
    })
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
