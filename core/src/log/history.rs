//! One aggregate's history in memory: its folded state, where it ends, and which commands it has taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain::{links, look};
use super::{Error, Log, Position, Recorded};
use crate::command::{AnyPart, AnyState};
use crate::digest::Digest;
use crate::ids::CommandId;
use crate::subject::Address;

/// How many events are held in memory at a time while an aggregate is read.
pub(super) const PAGE: usize = 4096;

/// A history that several commands may look at. Never locked across an await.
#[derive(Clone, Debug)]
pub(super) struct SharedHistory(Arc<Mutex<History>>);

#[derive(Debug)]
pub(super) struct History {
    pub(super) state: Box<dyn AnyState>,
    pub(super) last_sequence: u64,
    pub(super) last_digest: Digest,
    /// What each command did here: the last sequence and the name of its event.
    pub(super) commands: HashMap<CommandId, (u64, Box<str>)>,
    /// Whether it was ever read from the log, or is only assumed to be empty.
    pub(super) loaded: bool,
    /// How many events came since it was last kept in a snapshot.
    pub(super) unkept: u32,
}

// === impl SharedHistory ===

impl SharedHistory {
    fn empty(state: Box<dyn AnyState>) -> Self {
        Self(Arc::new(Mutex::new(History {
            state,
            last_sequence: 0,
            last_digest: Digest::ZERO,
            commands: HashMap::new(),
            loaded: false,
            unkept: 0,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, History> {
        // A fold is total, so a panic elsewhere left nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl History ===

impl History {
    /// Whether an event follows the last one that was folded, with none in between.
    fn is_next(&self, event: &Recorded) -> Result<bool, Error> {
        Ok(look(event)?.is_ok_and(|envelope| envelope.prevhash == self.last_digest))
    }

    /// Folds the next event; one that was folded already is passed over.
    pub(super) fn apply(&mut self, event: &Recorded) -> Result<(), Error> {
        let Recorded { sequence, .. } = *event;
        if sequence <= self.last_sequence {
            return Ok(());
        }
        self.unkept = self.unkept.saturating_add(1);
        let Ok(envelope) = look(event)? else {
            // Nothing was decided by it.
            self.last_sequence = sequence;
            self.last_digest = event.digest();
            return Ok(());
        };
        links(sequence, &envelope, self.last_digest)?;
        let event_type = envelope
            .type_parts()
            .map_err(|error| Error::Damaged(error.to_string()))?;
        self.state
            .apply(event_type, envelope.data.get())
            .map_err(|source| Error::Unreadable { sequence, source })?;
        self.commands
            .insert(envelope.commandid, (sequence, event_type.name.into()));
        self.last_sequence = sequence;
        self.last_digest = event.digest();
        Ok(())
    }
}

// === impl Log ===

impl Log {
    /// The history of the aggregate that `part` is for: cached, assumed empty where it is new, else read.
    pub(super) async fn history(&self, part: &dyn AnyPart) -> Result<SharedHistory, Error> {
        let history = self.cached(part.address(), || part.initial());
        let known = history.lock().loaded || part.is_fresh();
        if !known {
            self.catch_up(part.address(), &history).await?;
        }
        Ok(history)
    }

    /// What this process knows of an aggregate, read or not.
    pub(super) fn cached(
        &self,
        address: &Address,
        initial: impl FnOnce() -> Box<dyn AnyState>,
    ) -> SharedHistory {
        let histories = &self.inner.histories;
        histories.get_with(address.clone(), || SharedHistory::empty(initial()))
    }

    /// Forgets an aggregate whose events were removed.
    pub(super) fn forget(&self, address: &Address) {
        self.inner.histories.invalidate(address);
    }

    /// Brings a history up to what the leader has.
    pub(super) async fn catch_up(
        &self,
        address: &Address,
        history: &SharedHistory,
    ) -> Result<(), Error> {
        let filter = address.filter();
        let is_unread = history.lock().last_sequence == 0;
        if is_unread {
            self.recall(address, history).await?;
        }
        let before = history.lock().last_sequence;
        let end = self.newest(&filter).await?;
        let newest = end.as_ref().map_or(0, |event| event.sequence);
        if newest < before {
            return Err(Error::Damaged(format!(
                "{address} had event {before}, but the log now ends for it at {newest}"
            )));
        }
        // Most often one event is new, or there is but one: then it is here already. A page costs the server a look at
        // all that is stored after it.
        let mut reached = before;
        if let Some(end) = end.filter(|end| end.sequence > before) {
            let mut history = history.lock();
            if history.is_next(&end)? {
                history.apply(&end)?;
            }
            reached = history.last_sequence.max(reached);
        }
        while reached < newest {
            let (events, _) = self
                .page(&filter, Position::Sequence(reached + 1), PAGE)
                .await?;
            if events.is_empty() {
                return Err(Error::Damaged(format!(
                    "event {newest} of {address} is in the log's index but cannot be read"
                )));
            }
            let mut history = history.lock();
            for event in &events {
                history.apply(event)?;
            }
            reached = history.last_sequence.max(reached);
        }
        let mut history = history.lock();
        history.loaded = true;
        self.inner.snapshots.keep(address, &mut history);
        Ok(())
    }
}
