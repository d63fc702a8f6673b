//! Watches the leases of executors, and says in the log which of them are lost.
//!
//! It says something itself, like an executor that nobody knows: as long as that comes back, it would hear others.

use std::convert::Infallible;

use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::beats::{Beat, Beats};
use super::live::{Live, LiveExecutor};
use super::{Error, Log, PolicyName, controller};
use crate::command::Part;
use crate::executor::{Command, ExecutorAggregate};
use crate::ids::ExecutorId;
use crate::lease::{Leases, Look, Terms, Watched};

/// Watches leases.
#[derive(Debug)]
pub(super) struct Watcher {
    log: Log,
    live: Live,
    beats: Beats,
    terms: Terms,
    /// As who it hears itself.
    own: ExecutorId,
}

// === impl Watcher ===

impl Watcher {
    pub(super) fn new(log: Log, live: Live, beats: Beats, terms: Terms) -> Self {
        // Not a name from the log: two watchers must not hear each other as themselves.
        let own = ExecutorId(Uuid::from_u128(rand::random()));
        Self {
            log,
            live,
            beats,
            terms,
            own,
        }
    }

    /// Watches for ever.
    pub(super) async fn run(&self) -> Infallible {
        let mut leases = Leases::new(self.terms);
        let mut ticks = tokio::time::interval(self.terms.pause());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut failed = 0;
            for (id, epoch) in self.look(&mut leases).await {
                if let Err(error) = self.lose(id, epoch).await {
                    tracing::warn!(executor = %id, epoch, %error, "executor.lose");
                    self.log.meters().failed();
                    failed += 1;
                }
            }
            self.log.meters().set_stuck(PolicyName::Leases, failed);
        }
    }

    async fn look(&self, leases: &mut Leases) -> Vec<(ExecutorId, u32)> {
        let now = self.beats.now();
        let watched: Vec<_> = self
            .live
            .executors()
            .iter()
            .filter_map(|executor| self.watched(executor))
            .collect();
        let lost = leases.look(Look {
            now,
            breaks: self.log.connection().breaks(),
            own: self.beats.last(self.own).map(|heard| heard.at),
            executors: &watched,
        });
        self.log
            .beat(Beat {
                executor: self.own,
                epoch: 0,
                running: 0,
            })
            .await;
        lost
    }

    /// One that is lost has nothing to lose, nor has one that ended and left nothing.
    fn watched(&self, executor: &LiveExecutor) -> Option<Watched> {
        let has_runs = || {
            let jobs = self.live.jobs().into_iter();
            let mut claims = jobs
                .filter(|job| job.phase.is_alive())
                .filter_map(|job| job.claim);
            claims.any(|claim| claim.executor == executor.id)
        };
        if executor.lost || !(executor.started || has_runs()) {
            return None;
        }
        let heard = self.beats.last(executor.id);
        Some(Watched {
            id: executor.id,
            epoch: executor.epoch,
            heard: heard
                .filter(|heard| heard.beat.epoch >= executor.epoch)
                .map(|heard| heard.at),
        })
    }

    /// A refusal says that it has started again meanwhile.
    async fn lose(&self, id: ExecutorId, epoch: u32) -> Result<(), Error> {
        let Some(executor) = self.live.executor(id) else {
            return Ok(());
        };
        let command = Command::Lose { epoch };
        let part = Part::<ExecutorAggregate>::on(executor.account.clone(), id, command).boxed();
        let context = controller::context(id.0, &format!("lose/{epoch}"));
        match self.log.execute(&context, &[part]).await {
            Ok(_) => {
                tracing::warn!(executor = %id, epoch, "executor.lost: it was silent for a whole lease");
            }
            Err(Error::Refused(refusal)) => tracing::debug!(%refusal, "executor.lose"),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
