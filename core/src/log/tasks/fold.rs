//! One stored event, folded into the tasks.

use time::OffsetDateTime;

use super::{Book, LiveTask, Tasks};
use crate::aggregate::{Aggregate, Event as _};
use crate::digest::Digest;
use crate::ids::TaskId;
use crate::log::chain::{links, look};
use crate::log::{Error, Recorded};
use crate::subject::Parts;
use crate::task::{Content, Event, Failure, Phase, Submitted, TaskAggregate};

/// Where an event stands.
struct Stored {
    sequence: u64,
    time: OffsetDateTime,
    head: Digest,
}

impl Tasks {
    /// Folds an event. One that does not follow its task's previous one is an error; the rest of a task that was
    /// removed changes nothing.
    pub(super) fn apply(&self, event: &Recorded) -> Result<(), Error> {
        self.book().apply(event)?;
        self.inner.sequence.send_replace(event.sequence);
        Ok(())
    }
}

impl Book {
    pub(super) fn apply(&mut self, recorded: &Recorded) -> Result<(), Error> {
        let Ok(envelope) = look(recorded)? else {
            self.noise(recorded);
            return Ok(());
        };
        let damaged = |what: &dyn std::fmt::Display| Error::Damaged(what.to_string());
        let parts = envelope.type_parts().map_err(|error| damaged(&error))?;
        let id: TaskId = envelope
            .aggregate_id()
            .parse()
            .map_err(|error| damaged(&error))?;
        let event = match <TaskAggregate as Aggregate>::Event::decode(
            parts.name,
            parts.version,
            envelope.data.get(),
        ) {
            Ok(event) => event,
            Err(error) => {
                // Nobody knows what it is now, so nobody gets it until a version comes that does.
                let sequence = recorded.sequence;
                tracing::error!(task = %id, sequence, %error, "tasks.parked");
                self.forget(id);
                return Ok(());
            }
        };
        let known = self.task(id);
        let head = known.as_ref().map_or(Digest::ZERO, |task| task.head);
        let stored = Stored {
            sequence: recorded.sequence,
            time: envelope.time,
            head: recorded.digest(),
        };
        match (known, event) {
            (None, Event::Submitted(submitted)) => {
                links(stored.sequence, &envelope, head)?;
                let task = self.submitted(*submitted, &stored);
                self.put(task, false);
            }
            (None, _) => {
                tracing::debug!(task = %id, sequence = stored.sequence, "tasks.removed");
            }
            (Some(task), event) => {
                links(stored.sequence, &envelope, head)?;
                let mut task = LiveTask::clone(&task);
                task.evolve(&event, &stored);
                self.put(task, false);
            }
        }
        self.recent.push(recorded);
        Ok(())
    }

    /// Bytes that are no event, under a task's subject: nothing was decided by them, and the next event follows them.
    fn noise(&mut self, recorded: &Recorded) {
        let Recorded { sequence, .. } = *recorded;
        tracing::error!(sequence, subject = recorded.subject, "tasks.unreadable");
        let id = Parts::read(&recorded.subject).and_then(|parts| parts.id.parse().ok());
        let task = id.and_then(|id| self.task(id));
        if let Some(task) = task {
            let task = LiveTask {
                head: recorded.digest(),
                version: sequence,
                ..LiveTask::clone(&task)
            };
            self.put(task, true);
        }
    }

    fn submitted(&mut self, submitted: Submitted, stored: &Stored) -> LiveTask {
        let pin = submitted.pin();
        let Submitted {
            id,
            service,
            batch,
            name,
            priority,
            not_before,
            payload,
            ..
        } = submitted;
        LiveTask {
            id,
            service: self.named(service),
            batch: batch.map(Into::into),
            name: name.into(),
            pin,
            priority,
            not_before,
            phase: Phase::Pending,
            dead: false,
            attempts: 0,
            worker: None,
            created_at: stored.time,
            changed_at: stored.time,
            submitted: stored.sequence,
            outcome: 0,
            version: stored.sequence,
            head: stored.head,
            objects: objects([&payload]),
        }
    }
}

// === impl LiveTask ===

impl LiveTask {
    fn evolve(&mut self, event: &Event, stored: &Stored) {
        self.version = stored.sequence;
        self.changed_at = stored.time;
        self.head = stored.head;
        match event {
            // A task has one such event, and the chain says so.
            Event::Submitted(_) => {}
            Event::AttemptFailed(failed) => {
                self.failed(&failed.failure, stored);
                self.not_before = Some(failed.retry_at);
            }
            Event::Failed(failed) => {
                self.failed(&failed.failure, stored);
                self.phase = Phase::Failed;
                self.dead = failed.dead;
            }
            Event::Done(done) => {
                self.phase = Phase::Done;
                self.attempts = done.attempt;
                self.worker = Some(done.claim.worker_idx);
                self.outcome = stored.sequence;
                let contents = [&done.result].into_iter().chain(&done.logs);
                self.refer(objects(contents));
            }
            Event::Cancelled(_) => self.phase = Phase::Cancelled,
            Event::Requeued(requeued) => {
                self.phase = Phase::Pending;
                self.dead = false;
                self.attempts = requeued.attempts;
                self.not_before = None;
            }
        }
    }

    fn failed(&mut self, failure: &Failure, stored: &Stored) {
        self.attempts = failure.attempt;
        self.worker = Some(failure.claim.worker_idx);
        self.outcome = stored.sequence;
        self.refer(objects(&failure.logs));
    }

    fn refer(&mut self, more: Box<[Digest]>) {
        if !more.is_empty() {
            self.objects = self.objects.iter().copied().chain(more).collect();
        }
    }
}

fn objects<'a>(contents: impl IntoIterator<Item = &'a Content>) -> Box<[Digest]> {
    let objects = contents.into_iter().filter_map(Content::object);
    objects.map(|object| object.digest).collect()
}
