//! Where the tokens of runs come from: whoever signs them is not known here.

use std::fmt;
use std::sync::Arc;

use eai_core::executor::Run as RunId;
use eai_core::ids::JobId;
use eai_core::names::AccountName;

/// Makes the token of a run. It says who runs: what that may do is not in it.
#[derive(Clone)]
pub struct RunTokens(Arc<Make>);

type Make = dyn Fn(&AccountName, RunId) -> Option<String> + Send + Sync;

impl RunTokens {
    /// Made by this.
    pub fn new(
        make: impl Fn(&AccountName, JobId, u32) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |account, run| {
            make(account, run.job, run.run)
        }))
    }

    pub(super) fn make(&self, account: &AccountName, run: RunId) -> Option<String> {
        (self.0)(account, run)
    }
}

impl fmt::Debug for RunTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunTokens")
    }
}
