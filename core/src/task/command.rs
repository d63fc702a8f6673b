//! What may be asked of a task. An outcome names its attempt: whatever comes late meets another one, and is refused.

use super::{AttemptFailed, Done, Failure, Submitted};

/// A command to one task.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Submit(Box<Submitted>),
    /// A worker did it.
    Finish(Done),
    /// An attempt failed, and there is another one.
    FailAttempt(AttemptFailed),
    /// The last attempt failed.
    Fail(Failure),
    /// It is not wanted any more.
    Cancel,
    /// Try it again from the start: one that failed, or was cancelled.
    Requeue,
}
