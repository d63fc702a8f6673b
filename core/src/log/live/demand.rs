//! Whether a service is asked for, and whether a run is held still because it is not.

use std::time::Duration;

use time::OffsetDateTime;

use crate::job::Frozen;
use crate::policy::IDLE;
use crate::service::{Event, Terms, Traffic};

/// Whether a service is asked for, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// On what terms it keeps its job, where its front end is a URL.
    pub terms: Terms,
    /// Whether anybody asks for it.
    pub traffic: Traffic,
    /// When somebody last asked for it of whom the log knows, or it was made.
    pub stirred: OffsetDateTime,
}

/// More of a run that is held still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Still {
    /// Since when.
    pub since: OffsetDateTime,
    /// It is since nobody asks for it.
    pub idle: bool,
}

// === impl Demand ===

impl Demand {
    /// Of a service that was just made.
    pub fn new(terms: Terms, made: OffsetDateTime) -> Self {
        Self {
            terms,
            traffic: Traffic::Never,
            stirred: made,
        }
    }

    /// After how long its job is ended. `usual` is the platform's idle timeout.
    pub fn idle_timeout(&self, usual: Duration) -> Duration {
        self.terms.idle_timeout(usual)
    }

    pub(super) fn follow(&mut self, event: &Event, time: OffsetDateTime) {
        self.traffic = self.traffic.after(event);
        if let Event::Configured(configured) = event {
            self.terms = configured.terms;
        } else if event.stirs() {
            self.stirred = time;
        }
    }
}

impl Default for Demand {
    fn default() -> Self {
        Self::new(Terms::default(), OffsetDateTime::UNIX_EPOCH)
    }
}

// === impl Still ===

impl Still {
    pub(super) fn new(frozen: &Frozen, since: OffsetDateTime) -> Self {
        Self {
            since,
            idle: frozen.reason == IDLE,
        }
    }
}
