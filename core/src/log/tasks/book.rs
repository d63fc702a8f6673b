//! All tasks by id and by service, and which worker has which. Pure, and behind one lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::Notify;

use super::queue::Queue;
use super::recent::Recent;
use super::{Counts, LiveTask, Place, Taken, Which};
use crate::digest::Digest;
use crate::health::WINDOW;
use crate::ids::{ServiceId, TaskId};
use crate::service::Resource;
use crate::task::{Claim, Phase};

#[derive(Debug, Default)]
pub(super) struct Book {
    tasks: HashMap<TaskId, Arc<LiveTask>>,
    services: BTreeMap<ServiceId, Service>,
    /// What workers have: in no log.
    taken: HashMap<TaskId, Holder>,
    /// Dead letters by the sequence of their failure.
    dead: BTreeMap<u64, TaskId>,
    died: Arc<Notify>,
    pub(super) recent: Recent,
}

#[derive(Debug, Default)]
struct Service {
    named: Option<Arc<Resource<ServiceId>>>,
    queue: Queue,
    changed: Arc<Notify>,
    /// What was removed in the last ten minutes: when, how it had ended, how many.
    cleared: Vec<(OffsetDateTime, Phase, usize)>,
}

#[derive(Debug)]
struct Holder {
    attempt: u32,
    claim: Claim,
}

// === impl Book ===

impl Book {
    pub(super) fn task(&self, id: TaskId) -> Option<Arc<LiveTask>> {
        self.tasks.get(&id).cloned()
    }

    pub(super) fn taken(&self, id: TaskId) -> Option<Taken> {
        let holder = self.taken.get(&id)?;
        Some(Taken {
            task: self.task(id)?,
            attempt: holder.attempt,
            claim: holder.claim.clone(),
        })
    }

    pub(super) fn running(&self, service: ServiceId) -> Vec<Taken> {
        let service = self.services.get(&service).into_iter();
        let ids = service.flat_map(|service| service.queue.running());
        ids.filter_map(|id| self.taken(id)).collect()
    }

    pub(super) fn counts(&self, service: ServiceId) -> Counts {
        let service = self.services.get(&service);
        service.map_or_else(Counts::default, |service| service.queue.counts())
    }

    pub(super) fn list(
        &self,
        service: ServiceId,
        which: Which,
        before: u64,
        limit: usize,
    ) -> Vec<Arc<LiveTask>> {
        let Some(service) = self.services.get(&service) else {
            return Vec::new();
        };
        let queue = &service.queue;
        let newest = |ids: &mut dyn Iterator<Item = TaskId>| {
            let mut tasks: Vec<_> = ids.filter_map(|id| self.task(id)).collect();
            tasks.retain(|task| task.submitted < before && (which != Which::Dead || task.dead));
            tasks.sort_unstable_by_key(|task| std::cmp::Reverse(task.submitted));
            tasks.truncate(limit);
            tasks
        };
        let waits = |task: &Arc<LiveTask>| {
            task.phase == Phase::Pending && !self.taken.contains_key(&task.id)
        };
        let all = || queue.newest(before).filter_map(|id| self.task(id));
        match which {
            Which::All => all().take(limit).collect(),
            Which::Waiting => all().filter(waits).take(limit).collect(),
            Which::Running => newest(&mut queue.running()),
            Which::Ended(phase) => newest(&mut queue.ended(phase)),
            Which::Dead => newest(&mut queue.ended(Phase::Failed)),
        }
    }

    /// Tasks that ended in a phase, the first to end first.
    pub(super) fn ended(&self, service: ServiceId, phase: Phase) -> Vec<Arc<LiveTask>> {
        let Some(service) = self.services.get(&service) else {
            return Vec::new();
        };
        let ids = service.queue.ended(phase);
        ids.filter_map(|id| self.task(id)).collect()
    }

    pub(super) fn services(&self) -> Vec<Arc<Resource<ServiceId>>> {
        let named = self.services.values();
        named.filter_map(|service| service.named.clone()).collect()
    }

    pub(super) fn objects(&self) -> Vec<Digest> {
        let tasks = self.tasks.values();
        tasks
            .flat_map(|task| task.objects.iter().copied())
            .collect()
    }

    pub(super) fn changed(&mut self, service: ServiceId) -> Arc<Notify> {
        let service = self.services.entry(service).or_default();
        Arc::clone(&service.changed)
    }

    /// The service as its first task named it: shared by all its tasks.
    pub(super) fn named(&mut self, service: Resource<ServiceId>) -> Arc<Resource<ServiceId>> {
        let entry = self.services.entry(service.id).or_default();
        Arc::clone(entry.named.get_or_insert_with(|| Arc::new(service)))
    }

    pub(super) fn take(&mut self, service: ServiceId, place: Place, claim: Claim) -> Option<Taken> {
        let service = self.services.get_mut(&service)?;
        let id = service.queue.take(place, claim.claimed_at)?;
        let attempt = self.tasks.get(&id)?.attempt();
        service.changed.notify_waiters();
        self.taken.insert(id, Holder { attempt, claim });
        self.taken(id)
    }

    pub(super) fn next_due(&self, service: ServiceId) -> Option<OffsetDateTime> {
        self.services.get(&service)?.queue.next_due()
    }

    pub(super) fn resume(&mut self, id: TaskId, attempt: u32, claim: Claim) -> Option<Taken> {
        let task = self.task(id)?;
        if task.phase != Phase::Pending || task.attempt() != attempt {
            return None;
        }
        match self.taken.get(&id) {
            Some(holder) if holder.claim.incarnation != claim.incarnation => return None,
            Some(_) => {}
            None => {
                let queue = &mut self.services.get_mut(&task.service.id)?.queue;
                queue.remove(&task);
                queue.insert(&task, true);
            }
        }
        self.taken.insert(id, Holder { attempt, claim });
        self.tell(&task);
        self.taken(id)
    }

    pub(super) fn give_back(&mut self, id: TaskId, attempt: u32) {
        let same = |holder: &Holder| holder.attempt == attempt;
        if let Some(task) = self.task(id)
            && self.taken.get(&id).is_some_and(same)
        {
            // It changed nothing about the task but who has it.
            self.put(LiveTask::clone(&task), false);
        }
    }

    /// A task as it is from now on; `held` where the worker that has it keeps it.
    pub(super) fn put(&mut self, task: LiveTask, held: bool) {
        let task = Arc::new(task);
        let before = self.tasks.insert(task.id, Arc::clone(&task));
        if let Some(before) = &before {
            self.dead.remove(&before.outcome);
        }
        if task.dead {
            self.dead.insert(task.outcome, task.id);
            self.died.notify_waiters();
        }
        if !held {
            self.taken.remove(&task.id);
        }
        let running = self.taken.contains_key(&task.id);
        let service = self.services.entry(task.service.id).or_default();
        if let Some(before) = before {
            service.queue.remove(&before);
        }
        service.queue.insert(&task, running);
        self.tell(&task);
    }

    /// A task that is in the log no more.
    pub(super) fn forget(&mut self, id: TaskId) {
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        self.taken.remove(&id);
        self.dead.remove(&task.outcome);
        for sequence in [task.submitted, task.outcome] {
            self.recent.forget(sequence);
        }
        if let Some(service) = self.services.get_mut(&task.service.id) {
            service.queue.remove(&task);
        }
        self.tell(&task);
    }

    /// So many tasks that had ended in a phase were removed.
    pub(super) fn clear(
        &mut self,
        service: ServiceId,
        phase: Phase,
        tasks: usize,
        now: OffsetDateTime,
    ) {
        if tasks == 0 {
            return;
        }
        let cleared = &mut self.services.entry(service).or_default().cleared;
        cleared.retain(|(at, ..)| *at > now - WINDOW);
        cleared.push((now, phase, tasks));
    }

    /// How many tasks that had ended in a phase were removed in the last ten minutes.
    pub(super) fn cleared(&self, service: ServiceId, phase: Phase, now: OffsetDateTime) -> usize {
        let cleared = self.services.get(&service);
        let cleared = cleared.into_iter().flat_map(|service| &service.cleared);
        let lately = cleared.filter(|(at, of, _)| *at > now - WINDOW && *of == phase);
        lately.map(|(.., tasks)| tasks).sum()
    }

    /// Dead letters that failed after a sequence, the first to fail first.
    pub(super) fn dead_after(&self, sequence: u64, most: usize) -> Vec<Arc<LiveTask>> {
        let later = self.dead.range(sequence.saturating_add(1)..);
        let tasks = later.filter_map(|(_, id)| self.task(*id));
        tasks.take(most).collect()
    }

    /// Is told of dead letters.
    pub(super) fn died(&self) -> Arc<Notify> {
        Arc::clone(&self.died)
    }

    fn tell(&self, task: &LiveTask) {
        if let Some(service) = self.services.get(&task.service.id) {
            service.changed.notify_waiters();
        }
    }
}
