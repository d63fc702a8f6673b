//! The tasks of one service, in the order in which they are taken. Pure: what time it is comes with the question.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::{Counts, LiveTask, Place};
use crate::ids::TaskId;
use crate::task::Phase;

/// The greater priority goes first, then who was submitted first.
type Rank = (Reverse<i32>, u64, TaskId);

/// The tasks of one service.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// For any worker.
    ready: BTreeSet<Rank>,
    /// For one worker, by its index.
    pinned: BTreeMap<u32, BTreeSet<Rank>>,
    /// Not yet for anybody, by when they are.
    later: BTreeMap<(OffsetDateTime, TaskId), (Rank, Option<u32>)>,
    /// With a worker.
    running: BTreeSet<TaskId>,
    /// Every task, by the sequence at which it was submitted.
    submitted: BTreeMap<u64, TaskId>,
    /// Those that ended, by the sequence at which they did.
    done: BTreeMap<u64, TaskId>,
    failed: BTreeMap<u64, TaskId>,
    cancelled: BTreeMap<u64, TaskId>,
    dead: BTreeSet<u64>,
}

// === impl Queue ===

impl Queue {
    /// Takes a task in, as it is now; `running` where a worker has it.
    pub(super) fn insert(&mut self, task: &LiveTask, running: bool) {
        self.submitted.insert(task.submitted, task.id);
        match task.phase {
            Phase::Pending if running => {
                self.running.insert(task.id);
            }
            Phase::Pending => {
                let rank = rank(task);
                match task.not_before {
                    Some(due) => {
                        self.later.insert((due, task.id), (rank, task.pin));
                    }
                    None => self.offer(rank, task.pin),
                }
            }
            Phase::Done => {
                self.done.insert(task.version, task.id);
            }
            Phase::Failed => {
                self.failed.insert(task.version, task.id);
                if task.dead {
                    self.dead.insert(task.version);
                }
            }
            Phase::Cancelled => {
                self.cancelled.insert(task.version, task.id);
            }
        }
    }

    /// Takes a task out, as it was when it was taken in.
    pub(super) fn remove(&mut self, task: &LiveTask) {
        self.submitted.remove(&task.submitted);
        match task.phase {
            Phase::Pending => {
                if !self.running.remove(&task.id) {
                    self.withdraw(task);
                }
            }
            Phase::Done => {
                self.done.remove(&task.version);
            }
            Phase::Failed => {
                self.failed.remove(&task.version);
                self.dead.remove(&task.version);
            }
            Phase::Cancelled => {
                self.cancelled.remove(&task.version);
            }
        }
    }

    /// The task that a worker takes next. It is running from now on.
    pub(super) fn take(&mut self, place: Place, now: OffsetDateTime) -> Option<TaskId> {
        self.ripen(now);
        let own = self.pinned.get(&place.index);
        // A worker that is no more leaves its tasks to the others.
        let orphaned = self.pinned.range(place.workers..).map(|(_, tasks)| tasks);
        let all = [&self.ready].into_iter().chain(own).chain(orphaned);
        let best = *all.filter_map(BTreeSet::first).min()?;
        self.ready.remove(&best);
        for tasks in self.pinned.values_mut() {
            tasks.remove(&best);
        }
        self.pinned.retain(|_, tasks| !tasks.is_empty());
        let (.., id) = best;
        self.running.insert(id);
        Some(id)
    }

    /// When the next task is due that is not yet for anybody.
    pub(super) fn next_due(&self) -> Option<OffsetDateTime> {
        self.later.keys().next().map(|(due, _)| *due)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            pending: self.ready.len()
                + self.later.len()
                + self.pinned.values().map(BTreeSet::len).sum::<usize>(),
            running: self.running.len(),
            done: self.done.len(),
            failed: self.failed.len(),
            cancelled: self.cancelled.len(),
            dead: self.dead.len(),
        }
    }

    /// Tasks that were submitted before a sequence, the newest first.
    pub(super) fn newest(&self, before: u64) -> impl Iterator<Item = TaskId> {
        self.submitted.range(..before).rev().map(|(_, id)| *id)
    }

    /// Tasks that ended in a phase, the first to end first.
    pub(super) fn ended(&self, phase: Phase) -> impl Iterator<Item = TaskId> {
        let ended = match phase {
            Phase::Done => Some(&self.done),
            Phase::Failed => Some(&self.failed),
            Phase::Cancelled => Some(&self.cancelled),
            Phase::Pending => None,
        };
        ended.into_iter().flat_map(BTreeMap::values).copied()
    }

    /// Tasks that a worker has.
    pub(super) fn running(&self) -> impl Iterator<Item = TaskId> {
        self.running.iter().copied()
    }

    /// What is due by now is for a worker.
    fn ripen(&mut self, now: OffsetDateTime) {
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            let (rank, pin) = entry.remove();
            self.offer(rank, pin);
        }
    }

    fn offer(&mut self, rank: Rank, pin: Option<u32>) {
        match pin {
            Some(index) => self.pinned.entry(index).or_default().insert(rank),
            None => self.ready.insert(rank),
        };
    }

    fn withdraw(&mut self, task: &LiveTask) {
        let rank = rank(task);
        if let Some(due) = task.not_before {
            self.later.remove(&(due, task.id));
        }
        self.ready.remove(&rank);
        if let Some(index) = task.pin
            && let Some(tasks) = self.pinned.get_mut(&index)
        {
            tasks.remove(&rank);
            if tasks.is_empty() {
                self.pinned.remove(&index);
            }
        }
    }
}

fn rank(task: &LiveTask) -> Rank {
    (Reverse(task.priority), task.submitted, task.id)
}
