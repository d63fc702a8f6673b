//! Which services a policy has to look at next: those that something changed about, and those whose time came. It knows
//! no policy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use super::live::{Change, Live, LiveService};
use super::{Error, Log, PolicyName};
use crate::ids::ServiceId;

/// How long after a failure what was meant is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What one policy has to look at.
#[derive(Debug)]
pub(super) struct Agenda {
    /// Its name, for what is said when a look fails.
    policy: PolicyName,
    log: Log,
    live: Live,
    concerns: fn(&LiveService) -> bool,
    minds_executors: bool,
    changes: broadcast::Receiver<Change>,
    due: BTreeSet<ServiceId>,
    timers: BTreeMap<ServiceId, Instant>,
    /// Those that a look at failed last time.
    stuck: BTreeSet<ServiceId>,
}

// === impl Agenda ===

impl Agenda {
    /// All services that concern a policy are due at first.
    pub(super) fn new(
        policy: PolicyName,
        (log, live): (&Log, &Live),
        concerns: fn(&LiveService) -> bool,
    ) -> Self {
        let mut agenda = Self {
            policy,
            log: log.clone(),
            changes: live.changes(),
            live: live.clone(),
            concerns,
            minds_executors: false,
            due: BTreeSet::new(),
            timers: BTreeMap::new(),
            stuck: BTreeSet::new(),
        };
        agenda.look_at_everything();
        agenda
    }

    /// The same for a policy that looks at what room there is.
    pub(super) fn minding_executors(self) -> Self {
        Self {
            minds_executors: true,
            ..self
        }
    }

    /// What is due; it is not any more.
    pub(super) fn take(&mut self) -> BTreeSet<ServiceId> {
        let due = std::mem::take(&mut self.due);
        self.timers.retain(|id, _| !due.contains(id));
        due
    }

    /// A service was looked at, and is to be again after some time, or once something changes about it.
    pub(super) fn looked_at(&mut self, id: ServiceId, looked: Result<Option<Duration>, Error>) {
        let (policy, failed) = (self.policy.as_str(), is_failure(&looked));
        mark(&self.log, self.policy, &mut self.stuck, id, failed);
        let again = match looked {
            Ok(again) => again,
            Err(Error::Refused(refusal)) => {
                // The state moved on, and what moved it brings the policy back; if not, the timer does.
                tracing::debug!(%refusal, service = %id, "{policy}.refused");
                Some(PAUSE)
            }
            Err(error) => {
                tracing::warn!(%error, service = %id, "{policy}.failed");
                Some(PAUSE)
            }
        };
        if let Some(again) = again {
            self.timers.insert(id, Instant::now() + again);
        }
    }

    /// It is due now.
    pub(super) fn call(&mut self, id: ServiceId) {
        self.due.insert(id);
    }

    /// Waits until something may be due; false where nothing will be any more. Safe to drop.
    pub(super) async fn wait(&mut self) -> bool {
        let first = self.timers.values().min().copied();
        let timer = async {
            match first {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => {
                let now = Instant::now();
                let timers = self.timers.iter().filter(|(_, at)| **at <= now);
                self.due.extend(timers.map(|(id, _)| *id));
            }
            change = self.changes.recv() => match change {
                Ok(change) => self.hear(change),
                Err(RecvError::Lagged(_)) => self.look_at_everything(),
                Err(RecvError::Closed) => return false,
            },
        }
        // What changed many times is looked at once.
        while let Ok(change) = self.changes.try_recv() {
            self.hear(change);
        }
        true
    }

    fn hear(&mut self, change: Change) {
        match change {
            Change::Executor(_) if self.minds_executors => self.look_at_everything(),
            // What a job or an executor means for a service is told with it, but for room.
            change => self.due.extend(change.service()),
        }
    }

    fn look_at_everything(&mut self) {
        let services = self.live.services().into_iter();
        let concerned = services.filter(|service| (self.concerns)(service));
        self.due.extend(concerned.map(|service| service.id));
    }
}

/// Whether a policy could not do what it meant: a refusal says that it need not any more.
pub(super) fn is_failure<T>(looked: &Result<T, Error>) -> bool {
    !matches!(looked, Ok(_) | Err(Error::Refused(_)))
}

/// Notes how a look at a service ended.
pub(super) fn mark(
    log: &Log,
    policy: PolicyName,
    stuck: &mut BTreeSet<ServiceId>,
    id: ServiceId,
    failed: bool,
) {
    let meters = log.meters();
    let changed = if failed {
        meters.failed();
        stuck.insert(id)
    } else {
        stuck.remove(&id)
    };
    if changed {
        meters.set_stuck(policy, stuck.len());
    }
}
