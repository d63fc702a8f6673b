//! The two logs, and what differs between them: one is kept for ever, the other loses tasks that ended long ago.

use std::fmt;

use crate::subject::{ALL_EVENTS, ALL_TASKS};

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    /// The system of record.
    Events,
    /// The tasks of services.
    Tasks,
}

// === impl LogKind ===

impl LogKind {
    /// The name of its stream.
    pub fn stream(self) -> &'static str {
        match self {
            Self::Events => super::STREAM,
            Self::Tasks => super::TASKS,
        }
    }

    /// Every subject in it.
    pub fn subjects(self) -> &'static str {
        match self {
            Self::Events => ALL_EVENTS,
            Self::Tasks => ALL_TASKS,
        }
    }

    /// Whether nothing is ever removed from it, so that its sequences have no gaps.
    pub fn is_whole(self) -> bool {
        self == Self::Events
    }

    /// The option that sets its size.
    pub fn option(self) -> &'static str {
        match self {
            Self::Events => "--log-max-bytes",
            Self::Tasks => "--tasks-max-bytes",
        }
    }
}

impl fmt::Display for LogKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "event log",
            Self::Tasks => "log of tasks",
        })
    }
}
