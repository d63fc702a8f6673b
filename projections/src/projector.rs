//! The one writer of the views: follows the log from its checkpoint, and halts rather than guess.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eai_core::log::{Log, Position};
use eai_core::subject::ALL_EVENTS;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::store::{Progress, Shared};
use super::{Error, checkpoint, fold, reader, snapshots};

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

/// The copying of the views as they are now and then. It reads beside the fold, which waits for nothing.
struct Copying {
    /// Where it was last looked at whether a copy is due: the folder is not read for each batch.
    looked_at: u64,
    running: Option<JoinHandle<()>>,
}

impl Copying {
    /// How many events pass until it is looked at again.
    const STRIDE: u64 = 500;

    fn at(sequence: u64) -> Self {
        Self {
            looked_at: sequence,
            running: None,
        }
    }

    fn begin(&mut self, shared: &Arc<Shared>, sequence: u64) {
        let is_running = |running: &JoinHandle<()>| !running.is_finished();
        let every = shared.copy_every.load(Ordering::Relaxed);
        if sequence < self.looked_at + Self::STRIDE.min(every)
            || self.running.as_ref().is_some_and(is_running)
        {
            return;
        }
        self.looked_at = sequence;
        if !shared.is_copy_due(sequence) {
            return;
        }
        let shared = Arc::clone(shared);
        self.running = Some(tokio::spawn(async move {
            let copied = async {
                let mut reader = shared.pool().acquire().await?;
                snapshots::take(&shared.directory, &mut reader).await
            };
            match copied.await {
                Ok(sequence) => tracing::debug!(sequence, "views.snapshot"),
                Err(error) => tracing::warn!(%error, "views.snapshot"),
            }
        }));
    }
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
        let mut sequence = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Ended::Stopped),
            resumed = self.resume() => resumed?,
        };
        let mut subscription = self
            .log
            .subscribe(ALL_EVENTS, Position::Sequence(sequence + 1));
        let mut replaced = self.shared.progress.subscribe();
        let mut copying = Copying::at(sequence);
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
            let folded = fold::fold(&mut writer.connection, &batch).await?;
            sequence = folded.sequence;
            self.shared
                .progress
                .send_modify(|now| now.sequence = sequence);
            drop(writer);
            if let Some(error) = folded.stopped.or(broken) {
                return Err(error);
            }
            copying.begin(&self.shared, sequence);
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
