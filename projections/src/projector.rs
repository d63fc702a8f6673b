//! The one writer of the views: follows the log from its checkpoint, and halts rather than guess.

use std::sync::Arc;
use std::time::Duration;

use eai_core::log::{Log, Position};
use eai_core::subject::ALL_EVENTS;
use tokio_util::sync::CancellationToken;

use super::copying::Copying;
use super::fold::Places;
use super::store::{Progress, Shared};
use super::{Error, checkpoint, database, fold, reader};

/// The first pause before a failed batch is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Folds events into the views as they are stored.
#[derive(Debug)]
pub struct Projector {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
}

/// Why following ended without an error.
enum Ended {
    Stopped,
    /// A rebuild put other views in place.
    Replaced,
}

impl Projector {
    /// Runs until `stop`, which is looked at between batches only: a batch is never left half-way.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let (generation, sequence) = {
                let now = self.shared.progress.borrow();
                (now.generation, now.sequence)
            };
            match self.follow(generation, &stop).await {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Replaced) => pause = SHORTEST_PAUSE,
                Err(error) if error.is_final() => {
                    self.shared.halt(generation, &error);
                    if !self.until_replaced(generation, &stop).await {
                        return;
                    }
                }
                Err(error) => {
                    if self.shared.progress.borrow().sequence != sequence {
                        pause = SHORTEST_PAUSE;
                    }
                    tracing::warn!(%error, "views.retry");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    if let Error::Database(_) = error
                        && let Err(error) = self.shared.renew_writer().await
                    {
                        tracing::warn!(%error, "views.retry");
                    }
                }
            }
        }
    }

    async fn follow(&self, generation: u64, stop: &CancellationToken) -> Result<Ended, Error> {
        let sequence = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Ended::Stopped),
            resumed = self.resume() => resumed?,
        };
        let views = database::path(&self.shared.directory, generation);
        let mut copying = Copying::of_used(&self.shared, views, sequence);
        let ended = self
            .follow_from(sequence, generation, &mut copying, stop)
            .await;
        copying.finish().await;
        ended
    }

    async fn follow_from(
        &self,
        mut sequence: u64,
        generation: u64,
        copying: &mut Copying,
        stop: &CancellationToken,
    ) -> Result<Ended, Error> {
        let mut subscription = self
            .log
            .subscribe(ALL_EVENTS, Position::Sequence(sequence + 1));
        let mut replaced = self.shared.progress.subscribe();
        loop {
            let first = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                _ = replaced.wait_for(|now| now.generation != generation) => {
                    return Ok(Ended::Replaced);
                }
                first = reader::next(&mut subscription, &self.log, sequence) => first?,
            };
            let (batch, broken) = reader::gather(first, &mut subscription);
            let mut writer = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                writer = self.shared.writer.lock() => writer,
            };
            if writer.generation != generation {
                return Ok(Ended::Replaced);
            }
            let folded = fold::fold(&mut writer.connection, &batch, Places::Noted).await?;
            sequence = folded.sequence;
            self.shared
                .progress
                .send_modify(|now| now.sequence = sequence);
            drop(writer);
            if let Some(error) = folded.stopped.or(broken) {
                return Err(error);
            }
            copying.at(sequence);
        }
    }

    async fn resume(&self) -> Result<u64, Error> {
        let mut writer = self.shared.writer.lock().await;
        checkpoint::resume(&mut writer.connection, &self.log).await
    }

    /// Halted views stay so until a rebuild; answers whether there was one.
    async fn until_replaced(&self, generation: u64, stop: &CancellationToken) -> bool {
        let mut progress = self.shared.progress.subscribe();
        let replaced = |now: &Progress| now.generation != generation;
        tokio::select! {
            () = stop.cancelled() => false,
            _ = progress.wait_for(replaced) => true,
        }
    }
}
