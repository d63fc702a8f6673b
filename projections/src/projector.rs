//! The one writer of the views: follows the log from its checkpoint, and halts rather than guess.

use std::sync::Arc;
use std::time::Duration;

use eai_core::log::{Log, Position, Recorded, Subscription};
use eai_core::subject::ALL_EVENTS;
use tokio_util::sync::CancellationToken;

use super::store::{Progress, Shared};
use super::{Error, checkpoint, fold};

/// How many events one transaction may fold.
pub(crate) const BATCH: usize = 1000;
/// The longest pause before a failed batch is tried again.
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
        let mut pause = Duration::from_millis(10);
        loop {
            let generation = self.shared.progress.borrow().generation;
            match self.follow(generation, &stop).await {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Replaced) => pause = Duration::from_millis(10),
                Err(error) if error.is_final() => {
                    self.shared.halt(&error);
                    if !self.until_replaced(generation, &stop).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "views.retry");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn follow(&self, generation: u64, stop: &CancellationToken) -> Result<Ended, Error> {
        let sequence = {
            let mut writer = self.shared.writer.lock().await;
            checkpoint::resume(&mut writer.connection, &self.log).await?
        };
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
                first = subscription.next() => first?,
            };
            let (batch, broken) = gather(first, &mut subscription);
            let mut writer = self.shared.writer.lock().await;
            if writer.generation != generation {
                return Ok(Ended::Replaced);
            }
            let folded = fold::fold(&mut writer.connection, &batch).await?;
            self.shared
                .progress
                .send_modify(|now| now.sequence = folded.sequence);
            drop(writer);
            if let Some(error) = folded.stopped.or(broken) {
                return Err(error);
            }
        }
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

/// What is here already goes into the same transaction; an error behind it comes after it.
pub(crate) fn gather(
    first: Recorded,
    subscription: &mut Subscription,
) -> (Vec<Recorded>, Option<Error>) {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        match subscription.ready() {
            Some(Ok(event)) => batch.push(event),
            Some(Err(error)) => return (batch, Some(error.into())),
            None => break,
        }
    }
    (batch, None)
}
