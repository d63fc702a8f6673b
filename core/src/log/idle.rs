//! Which queues have had nothing to do for so long that they need no workers, as one keeper sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use futures::future::select_all;
use tokio::time::Instant;

use super::tasks::Tasks;
use crate::health::{Facts, Status, Tasks as Counts};
use crate::ids::ServiceId;
use crate::service::{Service, Status as Wanted};

/// How many times in its idle timeout a queue is looked at.
const LOOKS: u32 = 4;
/// The shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// Knows since when each queue has had nothing to do.
#[derive(Debug)]
pub(super) struct Idle {
    tasks: Tasks,
    /// What was counted last, and since when that is so.
    seen: BTreeMap<ServiceId, (Counts, Instant)>,
    asleep: BTreeSet<ServiceId>,
}

// === impl Idle ===

impl Idle {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self {
            tasks,
            seen: BTreeMap::new(),
            asleep: BTreeSet::new(),
        }
    }

    /// Whether a queue needs no workers for now, and when to look again.
    pub(super) fn look_at(
        &mut self,
        id: ServiceId,
        state: &Service,
        facts: &Facts,
    ) -> (bool, Option<Duration>) {
        let timeout = facts.queue.idle_timeout_ms.map(Duration::from_millis);
        let (Some(timeout), Wanted::On) = (timeout, facts.status) else {
            self.seen.remove(&id);
            self.asleep.remove(&id);
            return (false, None);
        };
        let now = Instant::now();
        let seen = self.seen.entry(id).or_insert((facts.tasks, now));
        if seen.0 != facts.tasks {
            *seen = (facts.tasks, now);
        }
        let is_empty = facts.tasks.pending == 0 && facts.tasks.running == 0;
        // It slept already when this keeper came.
        let slept = state
            .health
            .as_ref()
            .is_some_and(|health| health.status == Status::Idle);
        let asleep = is_empty && (slept || now.duration_since(seen.1) >= timeout);
        if asleep {
            self.asleep.insert(id);
            return (true, None);
        }
        self.asleep.remove(&id);
        (false, Some((timeout / LOOKS).max(SHORTEST_PAUSE)))
    }

    /// Waits until one that sleeps has something to do.
    pub(super) async fn woken(&self) -> ServiceId {
        let wakes = self.asleep.iter().map(
            |id| -> Pin<Box<dyn Future<Output = ServiceId> + Send + '_>> {
                Box::pin(self.wakes(*id))
            },
        );
        let wakes: Vec<_> = wakes.collect();
        if wakes.is_empty() {
            return std::future::pending().await;
        }
        select_all(wakes).await.0
    }

    async fn wakes(&self, id: ServiceId) -> ServiceId {
        let changed = self.tasks.changed(id);
        super::live::until(&changed, || {
            let counts = self.tasks.counts(id);
            (counts.pending + counts.running > 0).then_some(id)
        })
        .await
    }
}
