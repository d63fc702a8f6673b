//! The copying of the views as they are now and then, beside a fold, which waits for nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinHandle;

use super::snapshots;
use super::store::Shared;

/// How many events pass until it is looked at again whether a copy is due: the folder is not read for each batch.
const STRIDE: u64 = 500;

/// The copies of one fold.
pub(crate) struct Copying {
    shared: Arc<Shared>,
    /// The file that it folds into.
    views: PathBuf,
    /// Whether the fold is a rebuild.
    rebuilds: bool,
    looked_at: u64,
    running: Option<JoinHandle<()>>,
}

impl Copying {
    /// Of the views in use, in the file `views`, which are at `sequence`. A rebuild does away with all copies and makes
    /// its own, so there are none of these while it goes on, and it waits for the one that is being made.
    pub(crate) fn of_used(shared: &Arc<Shared>, views: PathBuf, sequence: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            views,
            rebuilds: false,
            looked_at: sequence,
            running: None,
        }
    }

    /// Of a rebuild into the file `views`.
    pub(crate) fn of_rebuilt(shared: &Arc<Shared>, views: PathBuf) -> Self {
        Self {
            rebuilds: true,
            ..Self::of_used(shared, views, 0)
        }
    }

    /// Begins a copy if one is due. One at a time.
    pub(crate) fn at(&mut self, sequence: u64) {
        let is_running = |running: &JoinHandle<()>| !running.is_finished();
        let every = self.shared.copy_every.load(Ordering::Relaxed);
        if sequence < self.looked_at + STRIDE.min(every)
            || self.running.as_ref().is_some_and(is_running)
        {
            return;
        }
        self.looked_at = sequence;
        if !self.shared.is_copy_due(sequence) {
            return;
        }
        let (shared, views) = (Arc::clone(&self.shared), self.views.clone());
        let guard = match Arc::clone(&shared.rebuilding).try_lock_owned() {
            Ok(guard) => Some(guard),
            Err(_) if self.rebuilds => None,
            Err(_) => return,
        };
        self.running = Some(tokio::spawn(async move {
            let _guard = guard;
            match snapshots::take(&shared.directory, &views).await {
                Ok(sequence) => tracing::debug!(sequence, "views.snapshot"),
                Err(error) => tracing::warn!(%error, "views.snapshot"),
            }
        }));
    }

    /// Waits for the copy that is being made.
    pub(crate) async fn finish(self) {
        if let Some(running) = self.running
            && let Err(error) = running.await
        {
            tracing::warn!(%error, "views.snapshot");
        }
    }
}
