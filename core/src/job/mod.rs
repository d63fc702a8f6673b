//! The aggregate `job`: one execution from start to end, in one or more runs.

mod command;
mod configuration;
mod event;
mod plan;
mod state;

pub use command::Command;
pub use configuration::{Configuration, DataVersion, ResolvedMount};
pub use event::{
    Cancelling, Claimed, Ended, Event, ForService, Frozen, Phases, Ready, Retried, Started,
    Submitted, Thawed, Unready,
};
pub use plan::{cancel, drain, end, freeze, rest, thaw};
pub use state::{BadEndpoint, Endpoint, Job, Outcome, Phase, State};

#[cfg(test)]
pub(crate) use configuration::tests::configuration;

use crate::aggregate::{Aggregate, Refusal};
use crate::fail_point;

/// A job.
#[derive(Debug)]
pub struct JobAggregate;

impl Aggregate for JobAggregate {
    const KIND: &'static str = "job";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let job = match (command, state) {
            (Command::Submit(submitted), None) => {
                return Ok(vec![Event::Submitted(submitted.clone())]);
            }
            (Command::Submit(_), Some(_)) => return Err(Refusal::exists("job")),
            (_, None) => return Err(Refusal::not_found("there is no such job")),
            (_, Some(job)) => job,
        };
        match command {
            Command::Submit(_) => Ok(vec![]),
            Command::Claim(wanted) => job.claim(wanted),
            Command::Start(started) => {
                job.holds(started.run, started.claim)?;
                Ok(match job.phase {
                    Phase::Queued => vec![Event::Started(started.clone())],
                    _ => vec![],
                })
            }
            Command::Ready(ready) => {
                job.holds(ready.run, ready.claim)?;
                let becomes = job.phase == Phase::Running && !job.ready;
                Ok(becomes
                    .then(|| Event::Ready(ready.clone()))
                    .into_iter()
                    .collect())
            }
            Command::Unready(unready) => {
                job.holds(unready.run, unready.claim)?;
                let news = job.ready || job.unready.as_ref() != Some(&unready.reason);
                // What is held still cannot answer.
                let becomes = job.phase == Phase::Running && !job.frozen && news;
                Ok(becomes
                    .then(|| Event::Unready(unready.clone()))
                    .into_iter()
                    .collect())
            }
            Command::Freeze(frozen) => {
                job.must_run(frozen.run, frozen.claim)?;
                let becomes = !job.frozen;
                Ok(becomes
                    .then(|| Event::Frozen(frozen.clone()))
                    .into_iter()
                    .collect())
            }
            Command::Thaw(thawed) => {
                job.must_run(thawed.run, thawed.claim)?;
                Ok(job
                    .frozen
                    .then(|| Event::Thawed(thawed.clone()))
                    .into_iter()
                    .collect())
            }
            Command::Cancel { run, reason } => job.cancel(*run, reason, None),
            Command::Rest { run, reason } => job.rest(*run, reason),
            Command::Drain {
                run,
                reason,
                drain_ms,
            } => job.cancel(*run, reason, Some(*drain_ms)),
            Command::End(ended) => job.end(ended),
            Command::Retry { run } => match job.phase {
                Phase::Failed | Phase::Cancelled | Phase::Interrupted if *run == job.run + 1 => {
                    Ok(vec![Event::Retried(Retried { run: *run })])
                }
                alive if alive.is_alive() && *run == job.run => Ok(vec![]),
                phase => Err(Refusal::stale(format!(
                    "run {run} cannot follow run {} in state {phase}",
                    job.run
                ))),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        if let Event::Submitted(submitted) = event {
            return Some(Job::new(submitted.clone()));
        }
        let mut job = state?;
        match event {
            Event::Submitted(_) => {}
            Event::Claimed(claimed) => {
                job.phase = Phase::Queued;
                job.claims = claimed.claim;
                job.claim = Some(claimed.clone());
            }
            Event::Started(started) => {
                // A run that was asked to end before it began is still to end.
                if job.phase == Phase::Queued {
                    job.phase = Phase::Running;
                }
                job.endpoint = Some(started.endpoint.clone());
            }
            Event::Ready(_) => {
                job.ready = true;
                job.unready = None;
            }
            Event::Unready(unready) => {
                job.ready = false;
                job.unready = Some(unready.reason.clone());
            }
            Event::Frozen(_) => job.frozen = true,
            Event::Thawed(_) => job.frozen = false,
            Event::Cancelling(cancelling) => {
                job.phase = Phase::Cancelling;
                // Only what goes on can end by itself.
                job.frozen = false;
                job.cancel_reason = Some(cancelling.reason.clone());
                job.drain_ms = cancelling.drain_ms;
            }
            Event::Ended(ended) => {
                job.phase = ended.state.into();
                job.ready = false;
                job.frozen = false;
                job.endpoint = None;
                job.claim = None;
                job.ended = Some(ended.clone());
            }
            Event::Retried(retried) => {
                let claims = job.claims;
                job = Job::new(job.submitted);
                job.run = retried.run;
                job.claims = claims;
            }
        }
        Some(job)
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Submit(_) => "submitted",
            Command::Claim(_) => "claimed",
            Command::Start(_) => "started",
            Command::Ready(_) => "ready",
            Command::Unready(_) => "unready",
            Command::Freeze(_) => "frozen",
            Command::Thaw(_) => "thawed",
            Command::Cancel { .. } | Command::Drain { .. } | Command::Rest { .. } => "cancelling",
            Command::End(_) => "ended",
            Command::Retry { .. } => "retried",
        }
    }
}

// === impl Job ===

impl Job {
    fn new(submitted: Submitted) -> Self {
        Self {
            submitted,
            run: 0,
            claims: 0,
            phase: Phase::Queuing,
            claim: None,
            ready: false,
            unready: None,
            frozen: false,
            endpoint: None,
            cancel_reason: None,
            drain_ms: None,
            ended: None,
        }
    }

    fn claim(&self, wanted: &Claimed) -> Result<Vec<Event>, Refusal> {
        if self.claim.as_ref() == Some(wanted) {
            return Ok(vec![]);
        }
        let next = wanted.run == self.run && wanted.claim == self.claims + 1;
        let is_guarded = !fail_point::is_broken(fail_point::NO_CLAIM);
        if next && self.phase == Phase::Queuing || !is_guarded {
            Ok(vec![Event::Claimed(wanted.clone())])
        } else {
            Err(Refusal::stale(
                "the run was claimed, or is another one by now",
            ))
        }
    }

    fn cancel(&self, run: u32, reason: &str, drain_ms: Option<u64>) -> Result<Vec<Event>, Refusal> {
        let cancelling = || {
            Event::Cancelling(Cancelling {
                run,
                reason: reason.into(),
                drain_ms,
            })
        };
        match self.phase {
            _ if run != self.run => Err(Refusal::stale("the run is another one by now")),
            Phase::Queued | Phase::Running => Ok(vec![cancelling()]),
            // Whoever waits for a task to be done may lose patience.
            Phase::Cancelling if drain_ms.is_none() && self.drain_ms.is_some() => {
                Ok(vec![cancelling()])
            }
            Phase::Cancelling => Ok(vec![]),
            Phase::Queuing => Err(Refusal::stale("nobody has claimed the run")),
            ended => Err(Refusal::conflict(
                "already-ended",
                format!("cannot cancel a job that is in state {ended}"),
            )),
        }
    }

    /// A run that goes on may be answering somebody: only what is held still ends because nobody asks for it.
    fn rest(&self, run: u32, reason: &str) -> Result<Vec<Event>, Refusal> {
        if run == self.run && self.phase == Phase::Running && !self.frozen {
            return Err(Refusal::stale("the run goes on again"));
        }
        self.cancel(run, reason, None)
    }

    /// Whether `claim` is the one that holds `run` now.
    fn holds(&self, run: u32, claim: u32) -> Result<(), Refusal> {
        match &self.claim {
            Some(held) if held.run == run && held.claim == claim => Ok(()),
            _ => Err(Refusal::stale("the run belongs to another claim, or ended")),
        }
    }

    /// Whether `claim` holds `run`, and its command runs and was not asked to end.
    fn must_run(&self, run: u32, claim: u32) -> Result<(), Refusal> {
        self.holds(run, claim)?;
        match self.phase {
            Phase::Running => Ok(()),
            phase => Err(Refusal::stale(format!("the run is {phase} by now"))),
        }
    }

    fn end(&self, ended: &Ended) -> Result<Vec<Event>, Refusal> {
        if self.ended.as_ref() == Some(ended) {
            return Ok(vec![]);
        }
        match ended.claim {
            Some(claim) => self.holds(ended.run, claim)?,
            None if ended.run == self.run && self.phase == Phase::Queuing => {}
            None => {
                return Err(Refusal::stale(
                    "the run was claimed, or is another one by now",
                ));
            }
        }
        if ended.state != self.outcome(ended.state) {
            return Err(Refusal::stale("the run was asked to end meanwhile"));
        }
        Ok(vec![Event::Ended(ended.clone())])
    }

    /// How the run counts that came to `outcome` by itself: what was asked to end is CANCELLED.
    pub fn outcome(&self, outcome: Outcome) -> Outcome {
        match self.phase {
            Phase::Cancelling => Outcome::Cancelled,
            _ => outcome,
        }
    }
}

#[cfg(test)]
mod tests;
