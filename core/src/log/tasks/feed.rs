//! Reads the log of tasks, and follows it from there.

use std::time::Duration;

use super::Tasks;
use crate::log::{Error, Position};
use crate::subject::ALL_TASKS;

/// Events read at a time: each may be as large as an event may be.
const PAGE: usize = 512;
/// The first pause before the log is followed again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Keeps [`Tasks`] as their log has them.
#[derive(Debug)]
pub struct Feed {
    tasks: Tasks,
}

impl Tasks {
    /// Reads what the log has, from where it was read to before.
    pub async fn load(&self) -> Result<(), Error> {
        loop {
            let from = Position::Sequence(self.sequence() + 1);
            let (events, more) = self.log().page(ALL_TASKS, from, PAGE).await?;
            for event in &events {
                self.apply(event)?;
            }
            if !more || events.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Feed {
    /// Follows the log from where `tasks` were loaded.
    pub fn new(tasks: Tasks) -> Self {
        Self { tasks }
    }

    /// Follows for ever; ends only where the log is damaged, since nothing after that may be believed.
    pub async fn run(self) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let before = self.tasks.sequence();
            match self.follow().await {
                Error::Unavailable(reason) => tracing::debug!(reason, "tasks.retry"),
                error => {
                    tracing::error!(%error, "tasks.halted: no task is taken from now on");
                    return;
                }
            }
            if self.tasks.sequence() != before {
                pause = SHORTEST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn follow(&self) -> Error {
        let from = Position::Sequence(self.tasks.sequence() + 1);
        let mut subscription = self.tasks.log().subscribe(ALL_TASKS, from);
        loop {
            let followed = match subscription.next().await {
                Ok(event) => self.tasks.apply(&event),
                Err(error) => return error,
            };
            if let Err(error) = followed {
                return error;
            }
        }
    }
}
