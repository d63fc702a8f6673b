//! Follows the log and folds each event into what is alive.

use std::time::Duration;

use super::Live;
use crate::job::JobAggregate;
use crate::log::chain::look;
use crate::log::{Error, Log, Position};
use crate::subject::{ALL_EVENTS, Address};

/// The first pause before the log is followed again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Keeps a [`Live`] as the log has it.
#[derive(Debug)]
pub struct Feed {
    live: Live,
    log: Log,
}

impl Feed {
    /// Follows `log` from where `live` was loaded.
    pub fn new(live: Live, log: Log) -> Self {
        Self { live, log }
    }

    /// Follows for ever; ends only where the log is damaged, since nothing after that may be believed.
    pub async fn run(self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let before = self.live.sequence();
            match self.follow().await {
                Error::Unavailable(reason) => tracing::debug!(reason, "live.retry"),
                error => {
                    tracing::error!(%error, "live.halted: routes stay as they are");
                    return;
                }
            }
            if self.live.sequence() != before {
                pause = SHORTEST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn follow(&self) -> Error {
        let from = Position::Sequence(self.live.sequence() + 1);
        let mut subscription = self.log.subscribe(ALL_EVENTS, from);
        loop {
            let event = match subscription.next().await {
                Ok(event) => event,
                Err(error) => return error,
            };
            let envelope = match look(&event) {
                Ok(Ok(envelope)) => envelope,
                Ok(Err(error)) => {
                    tracing::warn!(sequence = event.sequence, %error, "live.passed_over");
                    self.live.pass_over(event.sequence);
                    continue;
                }
                Err(error) => return error,
            };
            if let Some(address) = self.live.lacks(&envelope)
                && let Err(error) = self.recall(&address).await
            {
                return error;
            }
            if let Err(error) = self.live.apply(event.sequence, &envelope) {
                tracing::warn!(sequence = event.sequence, %error, "live.passed_over");
            }
        }
    }

    /// A job that ended and was forgotten runs again.
    async fn recall(&self, address: &Address) -> Result<(), Error> {
        if let Some(job) = self.log.state::<JobAggregate>(address).await? {
            self.live.recall(address.account().clone(), &job);
        }
        Ok(())
    }
}
