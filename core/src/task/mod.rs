//! The aggregate `task`: something that a worker of a service is to do. Its outcome is decided once.
//!
//! Which worker has it meanwhile is nobody's event: an outcome names its attempt, and only the attempt that is
//! under way can have one.

mod command;
mod content;
mod event;
mod plan;
mod state;

pub use command::Command;
pub use content::{Content, INLINE_LOGS, INLINE_PAYLOAD, INLINE_RESULT, Json, Object};
pub use event::{
    AttemptFailed, Cancelled, Claim, Done, Event, Failed, Failure, Recovery, Requeued, Submitted,
};
pub use plan::failed;
pub use state::{Backoff, BadPhase, Phase, State, Task};

use crate::aggregate::{Aggregate, Refusal};
use crate::fail_point;

/// A task.
#[derive(Debug)]
pub struct TaskAggregate;

impl Aggregate for TaskAggregate {
    const KIND: &'static str = "task";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let task = match (command, state) {
            (Command::Submit(submitted), None) => {
                return Ok(vec![Event::Submitted(submitted.clone())]);
            }
            (Command::Submit(submitted), Some(task)) => return task.again(submitted),
            (_, None) => return Err(Refusal::not_found("there is no such task")),
            (_, Some(task)) => task,
        };
        match command {
            Command::Submit(_) => Ok(vec![]),
            Command::Finish(done) => {
                task.holds(done.attempt)?;
                Ok(vec![Event::Done(done.clone())])
            }
            Command::FailAttempt(failed) => {
                task.holds(failed.failure.attempt)?;
                if !task.may_retry() {
                    return Err(Refusal::stale("its retries are used up"));
                }
                Ok(vec![Event::AttemptFailed(failed.clone())])
            }
            Command::Fail(failure) => {
                task.holds(failure.attempt)?;
                if task.may_retry() {
                    return Err(Refusal::stale("it has retries left"));
                }
                Ok(vec![Event::Failed(Failed {
                    failure: failure.clone(),
                    dead: task.retries > 0,
                })])
            }
            Command::Cancel => match task.phase {
                Phase::Pending => Ok(vec![Event::Cancelled(Cancelled {})]),
                Phase::Cancelled => Ok(vec![]),
                Phase::Done | Phase::Failed => Err(Refusal::conflict(
                    "already-ended",
                    format!("cannot cancel a task that is {}", task.phase),
                )),
            },
            Command::Requeue => match task.phase {
                Phase::Failed => Ok(vec![Event::Requeued(Requeued {
                    attempts: task.attempts,
                })]),
                // The attempt that was under way then, if one was, is over: what comes of it is too late for ever.
                Phase::Cancelled => Ok(vec![Event::Requeued(Requeued {
                    attempts: task.attempt(),
                })]),
                Phase::Pending => Ok(vec![]),
                Phase::Done => Err(Refusal::conflict(
                    "already-ended",
                    "cannot try a task again that is done: submit it anew",
                )),
            },
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        if let Event::Submitted(submitted) = event {
            return Some(Task::new(submitted));
        }
        let mut task = state?;
        match event {
            Event::Submitted(_) => {}
            Event::AttemptFailed(failed) => task.attempts = failed.failure.attempt,
            Event::Done(done) => {
                task.attempts = done.attempt;
                task.phase = Phase::Done;
            }
            Event::Failed(failed) => {
                task.attempts = failed.failure.attempt;
                task.phase = Phase::Failed;
            }
            Event::Cancelled(_) => task.phase = Phase::Cancelled,
            Event::Requeued(requeued) => {
                task.attempts = requeued.attempts;
                task.forgiven = requeued.attempts;
                task.phase = Phase::Pending;
            }
        }
        Some(task)
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Submit(_) => "submitted",
            Command::Finish(_) => "done",
            Command::FailAttempt(_) => "attempt_failed",
            Command::Fail(_) => "failed",
            Command::Cancel => "cancelled",
            Command::Requeue => "requeued",
        }
    }
}

// === impl Task ===

impl Task {
    /// An outcome counts for the attempt that is under way, and no other.
    fn holds(&self, attempt: u32) -> Result<(), Refusal> {
        let is_guarded = !fail_point::is_broken(fail_point::NO_ATTEMPT);
        if !is_guarded || self.phase == Phase::Pending && attempt == self.attempt() {
            return Ok(());
        }
        Err(Refusal::conflict(
            "attempt-over",
            format!(
                "attempt {attempt} of a task that is {} came too late: {} are over",
                self.phase, self.attempts
            ),
        ))
    }

    /// A key that comes again finds its task, if it is the same.
    fn again(&self, submitted: &Submitted) -> Result<Vec<Event>, Refusal> {
        match &submitted.key {
            Some(_) if self.keyed && self.payload == submitted.payload.digest() => Ok(vec![]),
            Some(key) if self.keyed => Err(Refusal::conflict(
                "key-reused",
                format!("the key `{key}` belongs to a task with another content: choose a new one"),
            )),
            _ => Err(Refusal::exists("task")),
        }
    }
}

#[cfg(test)]
mod tests;
