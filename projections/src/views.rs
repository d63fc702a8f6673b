//! A reader's handle on the views: how far they are, and whether they may be believed.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqlitePool;

use super::Error;
use super::store::Shared;

/// For reading the views. Cheap to clone. Queries are in `query`.
#[derive(Clone, Debug)]
pub struct Views {
    pub(crate) shared: Arc<Shared>,
}

impl Views {
    /// The sequence of the newest event that the views have.
    pub fn sequence(&self) -> u64 {
        self.shared.progress.borrow().sequence
    }

    /// Why the views go no further, if they stopped.
    pub fn halted(&self) -> Option<String> {
        self.shared.progress.borrow().halted.clone()
    }

    /// Waits until the views may be believed: at once, or after a rebuild.
    pub async fn until_sound(&self) {
        let mut progress = self.shared.progress.subscribe();
        if progress.wait_for(|now| now.halted.is_none()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the views have an event.
    pub async fn until(&self, sequence: u64, deadline: Duration) -> Result<(), Error> {
        let mut progress = self.shared.progress.subscribe();
        let there = progress.wait_for(|now| now.sequence >= sequence || now.halted.is_some());
        match tokio::time::timeout(deadline, there).await {
            Ok(Ok(now)) => match &now.halted {
                Some(reason) => Err(Error::Halted {
                    reason: reason.clone(),
                }),
                None => Ok(()),
            },
            Ok(Err(_)) | Err(_) => Err(Error::Behind {
                wanted: sequence,
                reached: self.sequence(),
            }),
        }
    }

    /// Asks the readers, unless nothing may be served. Where the answer is that the file is broken, nothing
    /// is served any more.
    pub(crate) async fn ask<T, F>(&self, ask: impl FnOnce(SqlitePool) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if let Some(reason) = self.halted() {
            return Err(Error::Halted { reason });
        }
        let generation = self.shared.progress.borrow().generation;
        let answer = ask(self.shared.pool()).await;
        if let Err(error) = &answer
            && error.is_broken_database()
        {
            self.shared.halt(generation, error);
            if let Some(reason) = self.halted() {
                return Err(Error::Halted { reason });
            }
        }
        answer
    }
}
