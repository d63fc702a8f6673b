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
    looked_at: u64,
    running: Option<JoinHandle<()>>,
}

impl Copying {
    /// Of a fold into the file `views` that is at `sequence`.
    pub(crate) fn of(shared: &Arc<Shared>, views: PathBuf, sequence: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            views,
            looked_at: sequence,
            running: None,
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
        self.running = Some(tokio::spawn(async move {
            match snapshots::take(&shared.directory, &views).await {
                Ok(sequence) => tracing::debug!(sequence, "views.snapshot"),
                Err(error) => tracing::warn!(%error, "views.snapshot"),
            }
        }));
    }
}
