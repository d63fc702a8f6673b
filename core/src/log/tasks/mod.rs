//! The tasks of all services, in memory: folded from their log as it grows. The API lists from it, workers get
//! their next task from it.
//!
//! What a task carries and what came of it stays in the log and is read from there, unless it is among the newest
//! events. Which worker has a task at the moment is in no log: whoever hands tasks over says so here, and nobody
//! else remembers it.

mod book;
mod content;
mod feed;
mod fold;
mod outcome;
mod purge;
mod queue;
mod read;
mod recent;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, RwLock, watch};

use super::Log;
use crate::digest::Digest;
use crate::ids::{ServiceId, TaskId};
use crate::names::AccountName;
use crate::service::Resource;
use crate::task::{Claim, Phase};

use book::Book;
pub use content::{ContentError, MOST_CONTENT, load, load_text, store};
pub use feed::Feed;
pub use purge::{Kept, Purger};
pub use read::Details;

/// Every task there is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    book: Mutex<Book>,
    sequence: watch::Sender<u64>,
    /// Who brings a task back holds it for reading; who removes one, for writing.
    removing: RwLock<()>,
}

/// A task at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveTask {
    /// Its id.
    pub id: TaskId,
    /// The service whose workers take it.
    pub service: Arc<Resource<ServiceId>>,
    /// The `task_id` that its submitter chose.
    pub batch: Option<Box<str>>,
    /// Its label.
    pub name: Box<str>,
    /// The index of the worker that alone may take it, as long as there is one.
    pub pin: Option<u32>,
    /// The greater, the sooner.
    pub priority: i32,
    /// Nobody takes it before.
    pub not_before: Option<OffsetDateTime>,
    /// Where it is.
    pub phase: Phase,
    /// It had retries and used them up.
    pub dead: bool,
    /// How many attempts are over.
    pub attempts: u32,
    /// The index of the worker that had the last of them.
    pub worker: Option<u32>,
    /// When it was submitted.
    pub created_at: OffsetDateTime,
    /// When the newest thing happened to it.
    pub changed_at: OffsetDateTime,
    /// The sequence at which it was submitted.
    pub submitted: u64,
    /// The sequence of the newest outcome of an attempt; 0 if none has one.
    pub outcome: u64,
    /// The sequence of its newest event.
    pub version: u64,
    /// The hash of that event.
    head: Digest,
    /// Contents that its events refer to.
    objects: Box<[Digest]>,
}

/// A task that a worker has.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The task.
    pub task: Arc<LiveTask>,
    /// The attempt, which every outcome has to name.
    pub attempt: u32,
    /// Who has it.
    pub claim: Claim,
}

/// Who asks for a task: one worker among some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The worker's index.
    pub index: u32,
    /// How many workers the service is to have: tasks pinned to others are for anybody.
    pub workers: u32,
}

/// How many tasks a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// That no worker has yet, due or not.
    pub pending: usize,
    /// That a worker has.
    pub running: usize,
    /// That a worker did.
    pub done: usize,
    /// Whose last attempt failed.
    pub failed: usize,
    /// That were not wanted any more.
    pub cancelled: usize,
    /// Of those that failed, the ones that had retries and used them up.
    pub dead: usize,
}

/// Which tasks to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All.
    #[default]
    All,
    /// Those that no worker has yet.
    Waiting,
    /// Those that a worker has.
    Running,
    /// Those that ended so.
    Ended(Phase),
    /// Dead letters.
    Dead,
}

// === impl Tasks ===

impl Tasks {
    /// No tasks yet: [`Tasks::load`] reads those that `log` has, and a [`Feed`] keeps them as it has them.
    pub fn new(log: Log) -> Self {
        let (sequence, _) = watch::channel(0);
        Self {
            inner: Arc::new(Inner {
                log,
                book: Mutex::default(),
                sequence,
                removing: RwLock::new(()),
            }),
        }
    }

    /// The log of tasks.
    pub fn log(&self) -> &Log {
        &self.inner.log
    }

    /// The last sequence that was folded.
    pub fn sequence(&self) -> u64 {
        *self.inner.sequence.borrow()
    }

    /// Waits until an event was folded; answers whether it was in time.
    pub async fn until(&self, sequence: u64, deadline: Duration) -> bool {
        let mut reached = self.inner.sequence.subscribe();
        let there = reached.wait_for(|now| *now >= sequence);
        matches!(tokio::time::timeout(deadline, there).await, Ok(Ok(_)))
    }

    /// A task.
    pub fn get(&self, id: TaskId) -> Option<Arc<LiveTask>> {
        self.book().task(id)
    }

    /// Who has a task at the moment.
    pub fn claim_of(&self, id: TaskId) -> Option<Taken> {
        self.book().taken(id)
    }

    /// Every task that a worker of the service has.
    pub fn running(&self, service: ServiceId) -> Vec<Taken> {
        self.book().running(service)
    }

    /// How many tasks a service has.
    pub fn counts(&self, service: ServiceId) -> Counts {
        self.book().counts(service)
    }

    /// How many tasks of a service that had ended in a phase were removed in the last ten minutes.
    pub fn cleared(&self, service: ServiceId, phase: Phase, now: OffsetDateTime) -> usize {
        self.book().cleared(service, phase, now)
    }

    /// Up to `limit` tasks of a service that were submitted before a sequence, the newest first.
    pub fn list(
        &self,
        service: ServiceId,
        which: Which,
        before: u64,
        limit: usize,
    ) -> Vec<Arc<LiveTask>> {
        self.book().list(service, which, before, limit)
    }

    /// Every service that has a task, with its account.
    pub fn services(&self) -> Vec<Arc<Resource<ServiceId>>> {
        self.book().services()
    }

    /// The contents that tasks refer to: not to be swept from the object store.
    pub fn objects(&self) -> Vec<Digest> {
        self.book().objects()
    }

    /// Is told of news about a service's tasks: for [`super::live::until`].
    pub fn changed(&self, service: ServiceId) -> Arc<Notify> {
        self.book().changed(service)
    }

    /// Up to `most` dead letters that failed after a sequence, the first to fail first.
    pub fn dead_after(&self, sequence: u64, most: usize) -> Vec<Arc<LiveTask>> {
        self.book().dead_after(sequence, most)
    }

    /// Is told of dead letters.
    pub fn died(&self) -> Arc<Notify> {
        self.book().died()
    }

    /// The task that a worker takes next, if there is one for it by `claim.claimed_at`. It is the worker's until
    /// its outcome is in the log, or it is given back.
    pub fn take(&self, service: ServiceId, place: Place, claim: Claim) -> Option<Taken> {
        self.book().take(service, place, claim)
    }

    /// Waits for the next task for a worker. `claim` says who asks, and what time it is. Cancel safe.
    pub async fn next(&self, service: ServiceId, place: Place, claim: impl Fn() -> Claim) -> Taken {
        let changed = self.changed(service);
        loop {
            let mut news = pin!(changed.notified());
            news.as_mut().enable();
            let claim = claim();
            let now = claim.claimed_at;
            if let Some(taken) = self.take(service, place, claim) {
                return taken;
            }
            let due = self.book().next_due(service);
            match due {
                None => news.await,
                Some(due) => {
                    let wait = (due - now).try_into().unwrap_or(Duration::ZERO);
                    // In time or not, it is looked again.
                    drop(tokio::time::timeout(wait, news).await);
                }
            }
        }
    }

    /// A worker says that it has an attempt of a task: for those that outlived the platform. Refused where that
    /// attempt is over, or another worker has it.
    pub fn resume(&self, id: TaskId, attempt: u32, claim: Claim) -> Option<Taken> {
        self.book().resume(id, attempt, claim)
    }

    /// An attempt never reached its worker: it is for the next one.
    pub fn give_back(&self, id: TaskId, attempt: u32) {
        self.book().give_back(id, attempt);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in it panics half-way.
        self.inner
            .book
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl LiveTask ===

impl LiveTask {
    /// The account that it lives in.
    pub fn account(&self) -> &AccountName {
        &self.service.full_name.account
    }

    /// The attempt that is under way, or the next one.
    pub fn attempt(&self) -> u32 {
        self.attempts.saturating_add(1)
    }
}

#[cfg(test)]
mod tests;
