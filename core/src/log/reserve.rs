//! The last tenth of the log: kept for stops, cancels, policies and executors, so that a full platform can wind down.

use std::sync::atomic::{AtomicU64, Ordering};

use super::read::stream_state;
use super::{Connection, Error, LogKind};
use crate::command::Urgency;

/// What the store adds to a message beside its subject and document: header block and record framing.
const OVERHEAD: u64 = 350;

#[derive(Debug)]
pub(super) struct Reserve {
    kind: LogKind,
    most: AtomicU64,
    used: AtomicU64,
    /// Appended by this process since the server was asked last.
    unconfirmed: AtomicU64,
}

impl Reserve {
    pub(super) async fn new(kind: LogKind, connection: &Connection) -> Result<Self, Error> {
        let (state, most) = stream_state(kind, connection).await?;
        Ok(Self {
            kind,
            most: AtomicU64::new(most),
            used: AtomicU64::new(state.bytes),
            unconfirmed: AtomicU64::new(0),
        })
    }

    pub(super) fn usage(&self) -> (u64, u64) {
        (
            self.used.load(Ordering::Relaxed),
            self.most.load(Ordering::Relaxed),
        )
    }

    pub(super) fn add(&self, bytes: usize) {
        let bytes = bytes as u64 + OVERHEAD;
        self.used.fetch_add(bytes, Ordering::Relaxed);
        self.unconfirmed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Refuses a normal command where only the reserve is left. Far from it nobody is asked.
    pub(super) async fn admit(
        &self,
        connection: &Connection,
        urgency: Urgency,
    ) -> Result<(), Error> {
        if urgency == Urgency::Essential {
            return Ok(());
        }
        let (_, most) = self.usage();
        // Other processes append as well: ask anew after each hundredth of the log, and close to the limit.
        let stale = self.unconfirmed.load(Ordering::Relaxed) > most / 100;
        if (stale || self.is_reached()) && connection.is_up() {
            let (state, most) = stream_state(self.kind, connection).await?;
            self.most.store(most, Ordering::Relaxed);
            self.used.store(state.bytes, Ordering::Relaxed);
            self.unconfirmed.store(0, Ordering::Relaxed);
        }
        let (used, most) = self.usage();
        if self.is_reached() {
            tracing::warn!(
                log = %self.kind,
                used,
                most,
                "log.reserve: only stops and deactivations are taken"
            );
            let log = self.kind;
            Err(Error::Reserved { log, used, most })
        } else {
            Ok(())
        }
    }

    fn is_reached(&self) -> bool {
        let (used, most) = self.usage();
        used >= most / 10 * 9
    }
}
