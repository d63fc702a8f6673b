//! What is there against what should be: runs of this platform that nobody has are removed.
//!
//! Executors of one platform may share an engine: each removes its own, and what a lost one has left.

use std::sync::Arc;
use std::time::Duration;

use eai_core::executor::Run as RunId;
use eai_core::ids::ExecutorId;

use super::{Shared, Stop, folder_name, is_taken};

/// How long after something happened it is looked: most of it is a run that begins or ends as it should.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for runs that nobody has, whenever something happened to runs that may be such.
pub(super) async fn tidy(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.tools.backend.stirred() => {}
            () = shared.left.notified() => {}
        }
        tokio::time::sleep(PAUSE).await;
        shared.remove_orphans().await;
    }
}

impl Shared {
    async fn remove_orphans(&self) {
        let there = match self.tools.backend.there().await {
            Ok(there) => there,
            Err(error) => return tracing::debug!(%error, "run.reconcile"),
        };
        for there in there {
            let (run, other) = (there.id, there.other);
            let id = serde_json::from_value::<RunId>(there.metadata).ok();
            let is_anybodys = match other {
                Some(other) => !self.is_left(&other, id),
                // A run is held before it is made, and until it was removed.
                None => id.is_some_and(|id| self.ledger().holds(id) || self.early.expects(id)),
            };
            if is_anybodys {
                continue;
            }
            // An executor that ends lets go of runs that go on.
            if *self.stop.borrow() != Stop::No {
                return;
            }
            let name = id.map(folder_name);
            tracing::warn!(run, name, "run.orphan: nobody has it");
            if let Err(error) = self.tools.backend.discard(&run).await {
                tracing::warn!(run, %error, "run.remove");
            }
        }
    }

    /// Whether the log says of a run of another executor that it is over, and of that executor that it is lost.
    fn is_left(&self, executor: &str, run: Option<RunId>) -> bool {
        let live = &self.tools.live;
        let executor = executor.parse().ok().map(ExecutorId);
        let executor = executor.and_then(|id| live.executor(id));
        let is_over = || {
            // What is not alive any more may be forgotten.
            let job = run.and_then(|run| Some((run, live.job(run.job)?)));
            job.is_none_or(|(run, job)| is_taken(run, &job))
        };
        executor.is_some_and(|executor| executor.lost) && is_over()
    }
}
