//! What came of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What came of all of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many updates there were.
    pub updates: u32,
    /// How many requests each version answered.
    pub answered: BTreeMap<String, u64>,
    /// The longest that one of them took.
    pub longest: Duration,
    /// Those that were answered by a failure, or by something else than was asked.
    pub failed: Vec<String>,
    /// Those whose connection broke, or whose answer did.
    pub resets: Vec<String>,
    /// What came of the streams of events.
    pub events: Streamed,
    /// What came of the upgraded connections.
    pub sockets: Streamed,
    /// How many jobs are alive at the end.
    pub alive: usize,
}

/// What came of streams of one kind.
#[derive(Clone, Debug, Default)]
pub struct Streamed {
    /// How many were opened.
    pub opened: u32,
    /// How many ended as if the application had ended them.
    pub ended: u32,
    /// How many messages came.
    pub messages: u64,
    /// What was refused, or came otherwise than it was sent.
    pub failed: Vec<String>,
    /// Those that broke.
    pub resets: Vec<String>,
}

// === impl Report ===

impl Report {
    /// What failed.
    pub fn failed(&self) -> impl Iterator<Item = &String> {
        let streams = self.events.failed.iter().chain(&self.sockets.failed);
        self.failed.iter().chain(streams)
    }

    /// What broke.
    pub fn resets(&self) -> impl Iterator<Item = &String> {
        let streams = self.events.resets.iter().chain(&self.sockets.resets);
        self.resets.iter().chain(streams)
    }

    /// Whether nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.failed().chain(self.resets()).next().is_none() && self.alive == 1
    }

    /// Whether each version had requests, and each update ended a stream of each kind.
    pub fn saw_enough(&self) -> bool {
        let versions = self.answered.len() as u64 > u64::from(self.updates);
        let streams = [&self.events, &self.sockets];
        versions && streams.iter().all(|one| one.ended >= 1 && one.messages > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for lost in self.failed().chain(self.resets()).take(20) {
            writeln!(f, "lost: {lost}")?;
        }
        let requests: u64 = self.answered.values().sum();
        writeln!(f, "versions: {:?}", self.answered)?;
        writeln!(
            f,
            "events: {} streams, {} ended, {} messages",
            self.events.opened, self.events.ended, self.events.messages
        )?;
        writeln!(
            f,
            "websockets: {} streams, {} ended, {} messages",
            self.sockets.opened, self.sockets.ended, self.sockets.messages
        )?;
        write!(
            f,
            "updates={} requests={requests} longest={}ms alive={} failed={} resets={}",
            self.updates,
            self.longest.as_millis(),
            self.alive,
            self.failed().count(),
            self.resets().count()
        )
    }
}
