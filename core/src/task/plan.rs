//! What the failure of an attempt means: another one later, or the end.

use time::OffsetDateTime;

use super::{AttemptFailed, Command, Failure, Task};

/// The command for an attempt that failed: it is tried again at a time, or it was the last one.
///
/// `jitter` is from 0 to 1: see [`super::Backoff::wait`].
pub fn failed(task: &Task, failure: Failure, now: OffsetDateTime, jitter: f64) -> Command {
    // By the attempt, not by the state: said twice, it means the same.
    let failures = failure.attempt.saturating_sub(task.forgiven);
    if failures > task.retries {
        return Command::Fail(failure);
    }
    let wait = task.backoff.wait(failures, jitter);
    Command::FailAttempt(AttemptFailed {
        failure,
        retry_at: now.saturating_add(wait),
    })
}
