//! Tells the event log of dead letters, as the log of tasks has them: for those who listen to a service's events.
//!
//! Nothing is remembered of it here: the service knows which it has told of, so that a start tells the rest.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::controller::context;
use super::tasks::{LiveTask, Tasks};
use super::{Error, Log, PolicyName};
use crate::command::Part;
use crate::ids::ServiceId;
use crate::service::{Command, DeadLetter, DeadLettered, MOST_LETTERS, ServiceAggregate};
use crate::subject::Address;
use crate::task::Event;

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many are looked at at a time.
const AT_A_TIME: usize = 1000;

/// Tells of dead letters.
#[derive(Debug)]
pub(super) struct Letters {
    log: Log,
    tasks: Tasks,
}

impl Letters {
    pub(super) fn new(log: Log, tasks: Tasks) -> Self {
        Self { log, tasks }
    }

    /// Runs for ever; safe to end at any moment.
    pub(super) async fn run(&self) {
        let mut told = 0;
        let died = self.tasks.died();
        loop {
            let mut news = pin!(died.notified());
            news.as_mut().enable();
            let letters = self.tasks.dead_after(told, AT_A_TIME);
            let Some(newest) = letters.last().map(|task| task.outcome) else {
                news.await;
                continue;
            };
            match self.tell_all(letters).await {
                Ok(()) => {
                    told = newest;
                    self.log.meters().set_stuck(PolicyName::Letters, 0);
                }
                Err(error) => {
                    tracing::warn!(%error, "letters.failed");
                    self.log.meters().failed();
                    self.log.meters().set_stuck(PolicyName::Letters, 1);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn tell_all(&self, letters: Vec<Arc<LiveTask>>) -> Result<(), Error> {
        let mut of_service: BTreeMap<ServiceId, Vec<_>> = BTreeMap::new();
        for task in letters {
            of_service.entry(task.service.id).or_default().push(task);
        }
        for (id, letters) in of_service {
            match self.tell(id, letters).await {
                // The service is no more, and nobody listens to it.
                Err(Error::Refused(refusal)) => {
                    tracing::debug!(%refusal, service = %id, "letters.refused");
                }
                told => told?,
            }
        }
        Ok(())
    }

    async fn tell(&self, id: ServiceId, mut letters: Vec<Arc<LiveTask>>) -> Result<(), Error> {
        let Some(account) = letters.first().map(|task| task.account().clone()) else {
            return Ok(());
        };
        let address = Address::new(account.clone(), "service", id);
        let state = self.log.state::<ServiceAggregate>(&address).await?;
        let told = state.map_or(0, |service| service.dead_told);
        letters.retain(|task| task.outcome > told);
        for some in letters.chunks(MOST_LETTERS) {
            let mut tasks = Vec::new();
            for task in some {
                tasks.push(self.letter(task).await?);
            }
            let ends = some.first().zip(some.last());
            let range = ends.map(|(first, last)| format!("{}/{}", first.outcome, last.outcome));
            let range = range.unwrap_or_default();
            let command = Command::TellDead(DeadLettered { tasks });
            let part = Part::<ServiceAggregate>::on(account.clone(), id, command).boxed();
            let context = context(id.0, &format!("dead/{range}"));
            self.log.execute(&context, &[part]).await?;
        }
        Ok(())
    }

    async fn letter(&self, task: &LiveTask) -> Result<DeadLetter, Error> {
        let details = self.tasks.details(task).await?;
        let error = match details.and_then(|details| details.outcome) {
            Some(Event::Failed(failed)) => failed.failure.error,
            // It was removed since.
            _ => String::new(),
        };
        Ok(DeadLetter::new(
            task.id,
            &task.name,
            task.attempts,
            &error,
            task.outcome,
        ))
    }
}
