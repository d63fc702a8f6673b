//! Checks what is read: each event follows its aggregate's previous one, and none is missing in between.
//!
//! A flipped bit in the store makes the server skip an event or hand out other bytes without an error.
//! Both show here, since every event carries the hash of the one before.

use std::collections::HashMap;

use super::{Error, Recorded};
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::subject::Parts;

/// The newest hash of every aggregate that was read, for a reader of the whole log.
#[derive(Debug, Default)]
pub struct Chain {
    heads: HashMap<Box<str>, Digest>,
    last_sequence: u64,
}

impl Chain {
    /// Takes the next event of the log. A gap or a broken chain is an error that names the event.
    pub fn follow<'a>(&mut self, event: &'a Recorded) -> Result<Envelope<'a>, Error> {
        follows(self.last_sequence, event.sequence)?;
        let envelope = read(event)?;
        let key = aggregate_key(&event.subject);
        if let Some(head) = self.heads.get_mut(key) {
            links(event.sequence, &envelope, *head)?;
            *head = event.digest();
        } else {
            links(event.sequence, &envelope, Digest::ZERO)?;
            self.heads.insert(key.into(), event.digest());
        }
        self.last_sequence = event.sequence;
        Ok(envelope)
    }

    /// The hash of the newest event of an aggregate, by its [`aggregate_key`].
    pub fn head(&self, aggregate: &str) -> Option<Digest> {
        self.heads.get(aggregate).copied()
    }

    /// How many aggregates were seen.
    pub fn aggregates(&self) -> usize {
        self.heads.len()
    }

    /// The sequence of the newest event that was taken.
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }
}

/// Nothing is ever deleted, so sequences have no gaps.
pub fn follows(last: u64, sequence: u64) -> Result<(), Error> {
    match sequence.checked_sub(last + 1) {
        Some(0) => Ok(()),
        Some(missing) => Err(Error::Damaged(format!(
            "{missing} event(s) from sequence {} on are missing; the next readable one is {sequence}",
            last + 1
        ))),
        None => Err(Error::Damaged(format!(
            "sequence {sequence} came again after {last}"
        ))),
    }
}

/// The document, if it is one and belongs where it stands.
pub fn read(event: &Recorded) -> Result<Envelope<'_>, Error> {
    let Recorded {
        sequence, subject, ..
    } = event;
    let damaged = |what: String| Error::Damaged(format!("event {sequence} ({subject}): {what}"));
    let envelope = event
        .envelope()
        .map_err(|error| damaged(error.to_string()))?;
    let parts = Parts::read(subject).ok_or_else(|| damaged("not an event's subject".into()))?;
    let event_type = envelope
        .type_parts()
        .map_err(|error| damaged(error.to_string()))?;
    if (event_type.kind, event_type.name) != (parts.kind, parts.event)
        || envelope.aggregate_id() != parts.id
        || parts
            .account()
            .is_ok_and(|account| account.as_str() != envelope.account)
    {
        return Err(damaged("the document belongs to another subject".into()));
    }
    Ok(envelope)
}

/// The event carries the hash of its aggregate's previous one.
pub fn links(sequence: u64, envelope: &Envelope<'_>, head: Digest) -> Result<(), Error> {
    if envelope.prevhash == head {
        return Ok(());
    }
    Err(Error::Damaged(format!(
        "event {sequence} ({}) does not follow its aggregate's previous event: \
         an event was changed, lost or added outside the platform",
        envelope.subject
    )))
}

/// The part of an event's subject that names its aggregate: `snow.testacc.service.<id>`.
pub fn aggregate_key(subject: &str) -> &str {
    let key = subject.strip_prefix("eai.event.").unwrap_or(subject);
    key.rsplit_once('.').map_or(key, |(key, _)| key)
}
