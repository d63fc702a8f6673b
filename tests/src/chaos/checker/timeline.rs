//! What one thing was, one event after the other, and what it can have been during a call.
//!
//! Only the clients' own clock is used: an event acknowledged before a call began has happened for it, and
//! one whose command was first sent after the call ended has not.

use std::ops::RangeInclusive;

use uuid::Uuid;

use super::story::Stories;
use crate::chaos::history::{Call, Micros};

/// The values that something had: one at the start, one more after each event.
#[derive(Clone, Debug)]
pub(super) struct Timeline<T> {
    pub(super) values: Vec<T>,
    /// The commands behind the events.
    pub(super) commands: Vec<Uuid>,
}

/// Which values of a timeline a call can have met.
#[derive(Debug)]
pub(super) struct Windows {
    /// Acknowledgements by time, with the newest value that any of them so far vouches for.
    acknowledged: Vec<(Micros, usize)>,
    /// Beginnings by time, with the oldest value that this or any later one can have made.
    begun: Vec<(Micros, usize)>,
    last: usize,
}

// === impl Timeline ===

impl<T> Timeline<T> {
    pub(super) fn new(first: T) -> Self {
        Self {
            values: vec![first],
            commands: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, command: Uuid, value: T) {
        self.commands.push(command);
        self.values.push(value);
    }

    pub(super) fn last(&self) -> &T {
        &self.values[self.values.len() - 1]
    }

    pub(super) fn windows(&self, stories: &Stories<'_>) -> Windows {
        // What the platform did by itself was before all calls.
        let times = |command: &Uuid| {
            let story = stories.get(*command);
            story.map_or((0, 0), |story| (story.acknowledged(), story.begun()))
        };
        let times: Vec<_> = self.commands.iter().map(times).collect();
        let mut acknowledged: Vec<_> = (1..).zip(&times).map(|(at, (ack, _))| (*ack, at)).collect();
        acknowledged.sort_unstable();
        let mut newest = 0;
        for (_, at) in &mut acknowledged {
            newest = newest.max(*at);
            *at = newest;
        }
        let mut begun: Vec<_> = (1..)
            .zip(&times)
            .map(|(at, (_, begun))| (*begun, at))
            .collect();
        begun.sort_unstable();
        let mut oldest = usize::MAX;
        for (_, at) in begun.iter_mut().rev() {
            oldest = oldest.min(*at);
            *at = oldest;
        }
        Windows {
            acknowledged,
            begun,
            last: self.values.len() - 1,
        }
    }
}

// === impl Windows ===

impl Windows {
    /// The values that were there at some moment of the call.
    pub(super) fn during(&self, call: &Call) -> RangeInclusive<usize> {
        let before = self
            .acknowledged
            .partition_point(|(ack, _)| *ack < call.start);
        let first = match before {
            0 => 0,
            before => self.acknowledged[before - 1].1,
        };
        let after = self.begun.partition_point(|(begun, _)| *begun <= call.end);
        let last = self.begun.get(after).map_or(self.last, |(_, at)| at - 1);
        // Where the two contradict each other, the order of the log is wrong, which is told elsewhere.
        first..=last.max(first)
    }
}
