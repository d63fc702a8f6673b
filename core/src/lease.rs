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

/// Whether whoever listens is well, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Ear {
    pause: Duration,
    last: Option<(Duration, u64)>,
    /// Since when nothing has disturbed it.
    steady: Duration,
}

/// The leases of all executors, as one watcher sees them.
#[derive(Debug)]
pub struct Leases {
    terms: Terms,
    ear: Ear,
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
            ear: Ear::new(terms.pause()),
            since: HashMap::new(),
        }
    }

    /// Which executors, in which epochs, were silent for a whole lease while the watcher was well.
    pub fn look(&mut self, look: Look<'_>) -> Vec<(ExecutorId, u32)> {
        let steady = self.ear.look(look.now, look.breaks, look.own);
        self.since.retain(|id, (epoch, _)| {
            let same = |watched: &Watched| watched.id == *id && watched.epoch == *epoch;
            look.executors.iter().any(same)
        });
        let mut lost = Vec::new();
        for watched in look.executors {
            let since = self.since.entry(watched.id);
            let (_, since) = *since.or_insert((watched.epoch, look.now));
            let alive = since.max(steady).max(watched.heard.unwrap_or_default());
            if look.now.saturating_sub(alive) > self.terms.lease {
                lost.push((watched.id, watched.epoch));
            }
        }
        lost
    }
}

// === impl Ear ===

impl Ear {
    /// One that is looked after with this pause, and has heard nothing yet.
    pub fn new(pause: Duration) -> Self {
        Self {
            pause,
            last: None,
            steady: Duration::ZERO,
        }
    }

    /// Looks after it: since when nothing can have been missed. `own` is when it last heard itself.
    pub fn look(&mut self, now: Duration, breaks: u64, own: Option<Duration>) -> Duration {
        if !self.is_well(now, breaks, own) {
            self.steady = now;
        }
        self.last = Some((now, breaks));
        self.steady
    }

    /// For how long nothing was missed, as of now; no time at all where nobody has looked after it for a while.
    pub fn heard_for(&self, now: Duration, breaks: u64) -> Duration {
        if self.is_awake(now, breaks) {
            now.saturating_sub(self.steady)
        } else {
            Duration::ZERO
        }
    }

    /// Whether it can have missed nothing since it was last looked after.
    fn is_well(&self, now: Duration, breaks: u64, own: Option<Duration>) -> bool {
        // What it said then has come back since.
        let heard = |(before, _)| own.is_some_and(|own| own >= before);
        self.is_awake(now, breaks) && self.last.is_some_and(heard)
    }

    fn is_awake(&self, now: Duration, breaks: u64) -> bool {
        let awake =
            |(before, known)| now.saturating_sub(before) <= self.pause * 2 && breaks == known;
        self.last.is_some_and(awake)
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
