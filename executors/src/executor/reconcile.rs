//! What is there against what should be: runs of this platform that nobody has are removed.

use std::sync::Arc;
use std::time::Duration;

use eai_core::executor::Run as RunId;

use super::{Shared, Stop, folder_name};

/// How long after something happened it is looked: most of it is a run that begins or ends as it should.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for runs that nobody has, whenever something happened to runs that may be such.
pub(super) async fn tidy(shared: Arc<Shared>) {
    loop {
        shared.tools.backend.stirred().await;
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
        for (run, metadata) in there {
            // A run is held before it is made, and until it was removed.
            let id = serde_json::from_value::<RunId>(metadata).ok();
            if id.is_some_and(|id| self.ledger().holds(id)) {
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
}
