//! What a task carries and what came of it, read from the log.

use super::{LiveTask, Tasks};
use crate::aggregate::{Aggregate, Event as _};
use crate::log::Error;
use crate::log::chain::read;
use crate::task::{Event, Submitted, TaskAggregate};

/// A task's events that say what it carries, and what came of it.
#[derive(Clone, Debug)]
pub struct Details {
    /// How it was submitted.
    pub submitted: Submitted,
    /// The newest outcome of an attempt: `Done`, `Failed` or `AttemptFailed`.
    pub outcome: Option<Event>,
}

impl Tasks {
    /// How a task was submitted; `None` where the log has it no more.
    pub async fn submitted(&self, task: &LiveTask) -> Result<Option<Submitted>, Error> {
        Ok(match self.event(task, task.submitted).await? {
            Some(Event::Submitted(submitted)) => Some(*submitted),
            _ => None,
        })
    }

    /// What a task carries, and what came of it; `None` where the log has it no more.
    pub async fn details(&self, task: &LiveTask) -> Result<Option<Details>, Error> {
        let outcome = async {
            match task.outcome {
                0 => Ok(None),
                sequence => self.event(task, sequence).await,
            }
        };
        let (submitted, outcome) = futures::try_join!(self.submitted(task), outcome)?;
        Ok(submitted.map(|submitted| Details { submitted, outcome }))
    }

    async fn event(&self, task: &LiveTask, sequence: u64) -> Result<Option<Event>, Error> {
        let recent = self.book().recent.get(sequence);
        let recorded = match recent {
            Some(recorded) => recorded,
            None => match self.log().get(sequence).await? {
                Some(recorded) => recorded,
                None => return Ok(None),
            },
        };
        let envelope = read(&recorded)?;
        if envelope.aggregate_id() != task.id.to_string() {
            let what = format!("event {sequence} is of another task than it was");
            return Err(Error::Damaged(what));
        }
        let parts = envelope
            .type_parts()
            .map_err(|error| Error::Damaged(error.to_string()))?;
        let event = <TaskAggregate as Aggregate>::Event::decode(
            parts.name,
            parts.version,
            envelope.data.get(),
        );
        event
            .map(Some)
            .map_err(|source| Error::Unreadable { sequence, source })
    }
}
