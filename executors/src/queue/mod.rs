//! The workers of queues that this executor has: each gets the tasks of its service one after the other, and what
//! comes of them goes to the log of tasks.
//!
//! It must not know how runs are made or ended: only that a worker is there, what it says, and that it is gone.

mod event;
mod hand;
mod outcome;
mod start;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eai_core::ids::ServiceId;
use eai_core::log::Log;
use eai_core::log::live::{Live, until};
use eai_core::log::objects::Objects;
use eai_core::log::tasks::Tasks;
use tokio::sync::Notify;

pub(crate) use start::{Attached, Identity, Seen};

/// What the workers of an executor share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    tasks: Tasks,
    live: Live,
    objects: Objects,
    /// For signs of life.
    log: Log,
    roll_call: Arc<RollCall>,
}

/// Who is still to be asked what he has of an earlier platform: nothing of his service is handed to anybody before.
#[derive(Debug, Default)]
struct RollCall {
    expected: Mutex<HashMap<ServiceId, usize>>,
    changed: Notify,
}

/// One who is to be asked; he was asked, or is gone, when this is dropped.
#[derive(Debug)]
pub(crate) struct Expected {
    service: ServiceId,
    roll_call: Arc<RollCall>,
}

// === impl Queues ===

impl Queues {
    pub(crate) fn new(tasks: Tasks, live: Live, objects: Objects, log: Log) -> Self {
        Self {
            tasks,
            live,
            objects,
            log,
            roll_call: Arc::default(),
        }
    }

    /// Says that a worker of the service goes on from an earlier start.
    pub(crate) fn expect(&self, service: ServiceId) -> Expected {
        *self.roll_call.expected().entry(service).or_default() += 1;
        Expected {
            service,
            roll_call: Arc::clone(&self.roll_call),
        }
    }

    /// Waits until every worker of the service was asked.
    async fn all_asked(&self, service: ServiceId) {
        let asked = || (!self.roll_call.expected().contains_key(&service)).then_some(());
        until(&self.roll_call.changed, asked).await;
    }
}

// === impl RollCall ===

impl RollCall {
    fn expected(&self) -> MutexGuard<'_, HashMap<ServiceId, usize>> {
        let expected = self.expected.lock();
        expected.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut expected = self.roll_call.expected();
        if let Some(count) = expected.get_mut(&self.service) {
            *count -= 1;
            if *count == 0 {
                expected.remove(&self.service);
            }
        }
        drop(expected);
        self.roll_call.changed.notify_waiters();
    }
}
