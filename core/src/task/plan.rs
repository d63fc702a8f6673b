//! What the failure of an attempt means: another one later, or the end.

use time::OffsetDateTime;

use super::{AttemptFailed, Command, Failure, Task};

/// The command for an attempt that failed: it is tried again at a time, or it was the last one.
///
/// `jitter` is from 0 to 1: see [`super::Backoff::wait`].
pub fn failed(task: &Task, failure: Failure, now: OffsetDateTime, jitter: f64) -> Command {
    if !task.may_retry() {
        return Command::Fail(failure);
    }
    let failures = task.attempt().saturating_sub(task.forgiven);
    let wait = task.backoff.wait(failures, jitter);
    Command::FailAttempt(AttemptFailed {
        failure,
        retry_at: now.saturating_add(wait),
    })
}
