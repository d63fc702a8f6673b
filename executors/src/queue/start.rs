//! A worker that is attached to: what who watches over its run may hear and ask of it.

use std::time::Duration;

use eai_core::ids::{JobId, ServiceId};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::work::Work;
use super::{Expected, Queues};
use crate::backend::Running;

/// Who a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) service: ServiceId,
    pub(crate) index: u32,
    /// `<service name>:<index>`.
    pub(crate) name: String,
    pub(crate) job: JobId,
    pub(crate) run: u32,
}

/// What is known of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// It asked for a task at least once.
    pub(crate) ready: bool,
    /// It has a task.
    pub(crate) busy: bool,
    /// Why it could not begin, in its own words.
    pub(crate) failure: Option<String>,
}

/// What is wanted of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It works.
    Work,
    /// It gets nothing more to do.
    Nothing,
    /// Its run is over, in these words.
    Ended(String),
}

/// A worker that is attached to. Dropped, it is left alone.
#[derive(Debug)]
pub(crate) struct Attached {
    seen: watch::Receiver<Seen>,
    wanted: watch::Sender<Wanted>,
    work: JoinHandle<()>,
}

// === impl Attached ===

impl Attached {
    /// Attaches to a worker; `expected` where it goes on from an earlier start.
    pub(crate) fn to(
        queues: &Queues,
        identity: Identity,
        running: &Running,
        expected: Option<Expected>,
    ) -> Self {
        let (seen, heard) = watch::channel(Seen::default());
        let (wanted, told) = watch::channel(Wanted::Work);
        let work = Work::new(queues.clone(), identity, running.clone(), (seen, told));
        Self {
            seen: heard,
            wanted,
            work: tokio::spawn(work.run(expected)),
        }
    }

    /// What is known of it, as it changes.
    pub(crate) fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }

    /// Gives it nothing more to do, and waits until it is done with what it has, for as long as it may take.
    pub(crate) async fn drain(&self, most: Duration) {
        self.wanted.send_replace(Wanted::Nothing);
        let mut seen = self.seen.clone();
        let idle = seen.wait_for(|seen| !seen.busy);
        drop(tokio::time::timeout(most, idle).await);
    }

    /// Its run is over: returns once all that is to be said of its task was said.
    pub(crate) async fn end(&mut self, why: String) {
        self.wanted.send_replace(Wanted::Ended(why));
        if let Err(error) = (&mut self.work).await {
            tracing::error!(%error, "worker.settle");
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.work.abort();
    }
}
