//! What may be asked of a job. Everything from an executor or a policy names the run, and the claim where
//! there is one: whatever comes late meets another run or claim, and is refused.

use super::{Claimed, Ended, Frozen, Ready, Started, Submitted, Thawed, Unready};

/// A command to one job.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Submit(Submitted),
    /// Take the run.
    Claim(Claimed),
    /// The command runs.
    Start(Started),
    /// It answers.
    Ready(Ready),
    /// It answers no more.
    Unready(Unready),
    /// Hold it still: a run whose command runs.
    Freeze(Frozen),
    /// Let it go on.
    Thaw(Thawed),
    /// End it: a run that was claimed.
    Cancel {
        /// The run.
        run: u32,
        /// Why.
        reason: String,
    },
    /// End it once it is done with what it is at: a worker's run that was claimed.
    Drain {
        /// The run.
        run: u32,
        /// Why.
        reason: String,
        /// How long it may take to be done, in milliseconds.
        drain_ms: u64,
    },
    /// End it since nobody asks for it: a run that does not answer yet, or is held still.
    Rest {
        /// The run.
        run: u32,
        /// Why.
        reason: String,
    },
    /// It ended.
    End(Ended),
    /// Run it again.
    Retry {
        /// The new run.
        run: u32,
    },
}
