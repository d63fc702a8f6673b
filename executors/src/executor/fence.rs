//! An executor that was declared lost: it keeps what the log leaves it, and begins a new epoch.
//!
//! What the log took from it is told to each run by itself, and nothing is taken from it while the log is away.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use eai_core::log;

use super::Executor;
use super::adopt::{self, CATCH_UP, Ours};
use crate::answered::until_answered;

impl Executor {
    /// Begins a new epoch with the runs that are still its own. Asks until the log answers.
    pub(super) async fn begin_anew(&mut self) {
        let context = adopt::context();
        let begun = until_answered(|| self.epoch_after(&context)).await;
        let (epoch, lost) = match begun {
            Ok(begun) => begun,
            // What is alive tells next what became of this one.
            Err(error) => return tracing::warn!(%error, "executor.begin_anew"),
        };
        self.shared.epoch.store(epoch, Ordering::Relaxed);
        tracing::warn!(epoch, "executor.begun_anew: it had been declared lost");
        for run in lost {
            self.lives
                .spawn(adopt::tell_lost(Arc::clone(&self.shared), run));
        }
    }

    async fn epoch_after(
        &self,
        context: &eai_core::command::Context,
    ) -> Result<(u32, Vec<Ours>), log::Error> {
        let (settings, tools) = (&self.shared.settings, &self.shared.tools);
        let newest = tools.log.last_sequence().await?;
        if !tools.live.until(newest, CATCH_UP).await {
            let reason = "what is alive was not loaded in time".to_owned();
            return Err(log::Error::Unavailable(reason));
        }
        self.shared.heed_all();
        let ours = adopt::ours(settings, tools).await?;
        let (adopted, lost): (Vec<Ours>, Vec<Ours>) = {
            let ledger = self.shared.ledger();
            ours.into_iter().partition(|ours| ledger.holds(ours.run))
        };
        let epoch = adopt::say_started(settings, tools, context, (&adopted, &lost)).await?;
        Ok((epoch, lost))
    }
}
