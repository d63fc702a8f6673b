//! Executors, as far as what is alive depends on them.

use crate::executor::Standing;
use crate::ids::ExecutorId;
use crate::names::AccountName;

/// An executor at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveExecutor {
    /// Its id.
    pub id: ExecutorId,
    /// The account that its events are in.
    pub account: AccountName,
    /// Its epoch.
    pub epoch: u32,
    /// Whether it started and did not end since.
    pub started: bool,
    /// Whether it was declared lost in this epoch.
    pub lost: bool,
    /// Whether it takes no new jobs.
    pub draining: bool,
    /// The memory that its jobs may have, in MiB.
    pub mem_mib: u64,
}

// === impl LiveExecutor ===

impl LiveExecutor {
    /// Where it is.
    pub fn standing(&self) -> Standing {
        Standing::of(self.started, self.lost, self.draining)
    }
}
