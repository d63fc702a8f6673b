//! Runs that are about to be asked for: a hint for those in this process who can begin what takes a while.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::Live;
use crate::ids::JobId;
use crate::job::Submitted;
use crate::names::AccountName;
use crate::trace::TraceParent;

/// How many runs may be expected that nobody has heard of yet: the others get no head start.
pub(super) const MOST: usize = 64;

/// A run that is about to be asked for, so that what takes a while can begin. It may never be asked for.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Where its job lives.
    pub account: AccountName,
    /// Its job.
    pub job: JobId,
    /// Its number.
    pub run: u32,
    /// What the job will be; none for one that is there already.
    pub submitted: Option<Submitted>,
    /// W3C trace context of the request that asks for it.
    pub traceparent: Option<TraceParent>,
}

impl Live {
    /// Says that a run is about to be asked for. No more than a hint.
    pub fn expect(&self, expected: Expected) {
        // Nobody listens, perhaps.
        drop(self.inner.expected.send(Arc::new(expected)));
    }

    /// Such hints from now on. Who lags misses some, and loses nothing but time.
    pub fn expected(&self) -> broadcast::Receiver<Arc<Expected>> {
        self.inner.expected.subscribe()
    }
}
