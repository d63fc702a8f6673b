//! When an executor that is silent counts as lost. Pure: times come in, as durations since any moment.
//!
//! Silence says something about an executor only while whoever listens is well. So the clock of a lease runs
//! only while the watcher was awake, its connection stood, and what it says itself came back to it.

use std::collections::HashMap;
use std::time::Duration;

use crate::ids::ExecutorId;

/// How often an executor says that it is there, and how often the watcher looks: so many times in a lease.
const BEATS: u32 = 5;

/// The shortest pause.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long executors may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    lease: Duration,
}

/// What the watcher sees when it looks.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// When it looks.
    pub now: Duration,
    /// How many times its connection broke so far.
    pub breaks: u64,
    /// When it last heard itself.
    pub own: Option<Duration>,
    /// The executors that have something to lose.
    pub executors: &'a [Watched],
}

/// An executor as it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Which one.
    pub id: ExecutorId,
    /// Its epoch, as the log has it.
    pub epoch: u32,
    /// When it was last heard in this epoch.
    pub heard: Option<Duration>,
}

/// The leases of all executors, as one watcher sees them.
#[derive(Debug)]
pub struct Leases {
    terms: Terms,
    last: Option<(Duration, u64)>,
    /// Since when nothing has disturbed the watcher.
    steady: Duration,
    /// Since when each executor is watched in its epoch.
    since: HashMap<ExecutorId, (u32, Duration)>,
}

// === impl Terms ===

impl Terms {
    /// With this time to live.
    pub fn new(lease: Duration) -> Self {
        Self { lease }
    }

    /// How long after a sign of life it is sure that nobody has given its sender up.
    pub fn sure(self) -> Duration {
        self.lease.saturating_sub(self.pause())
    }

    /// The pause between two signs of life, and between two looks.
    pub fn pause(self) -> Duration {
        (self.lease / BEATS).max(SHORTEST)
    }
}

// === impl Leases ===

impl Leases {
    /// Nothing was seen yet.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            last: None,
            steady: Duration::ZERO,
            since: HashMap::new(),
        }
    }

    /// Which executors, in which epochs, were silent for a whole lease while the watcher was well.
    pub fn look(&mut self, look: Look<'_>) -> Vec<(ExecutorId, u32)> {
        if !self.is_well(look) {
            self.steady = look.now;
        }
        self.last = Some((look.now, look.breaks));
        self.since.retain(|id, (epoch, _)| {
            let same = |watched: &Watched| watched.id == *id && watched.epoch == *epoch;
            look.executors.iter().any(same)
        });
        let mut lost = Vec::new();
        for watched in look.executors {
            let since = self.since.entry(watched.id);
            let (_, since) = *since.or_insert((watched.epoch, look.now));
            let alive = since
                .max(self.steady)
                .max(watched.heard.unwrap_or_default());
            if look.now.saturating_sub(alive) > self.terms.lease {
                lost.push((watched.id, watched.epoch));
            }
        }
        lost
    }

    /// Whether the watcher can have missed nothing since it last looked.
    fn is_well(&self, look: Look<'_>) -> bool {
        let Some((before, breaks)) = self.last else {
            return false;
        };
        let awake = look.now.saturating_sub(before) <= self.terms.pause() * 2;
        // What it said when it last looked has come back since.
        let heard = look.own.is_some_and(|own| own >= before);
        awake && breaks == look.breaks && heard
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
