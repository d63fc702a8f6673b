//! Checks what is read: each event follows its aggregate's previous one, and none is missing in between.
//!
//! A flipped bit in the store makes the server skip an event or hand out other bytes without an error.
//! Both show here, since every event carries the hash of the one before.

use std::collections::HashMap;

use super::{Error, Recorded};
use crate::digest::Digest;
use crate::envelope::{self, Envelope};
use crate::subject::Parts;

/// The newest hash of every aggregate that was read, for a reader of the whole log.
#[derive(Debug, Default)]
pub struct Chain {
    heads: HashMap<Box<str>, Digest>,
    last_sequence: u64,
}

impl Chain {
    /// Takes the next event of the log; none where the bytes are no document. A gap or a broken chain is an error that
    /// names the event.
    pub fn follow<'a>(&mut self, event: &'a Recorded) -> Result<Option<Envelope<'a>>, Error> {
        follows(self.last_sequence, event.sequence)?;
        let envelope = look(event)?.ok();
        let key = aggregate_key(&event.subject);
        let head = self.heads.get(key).copied();
        if let Some(envelope) = &envelope {
            links(event.sequence, envelope, head.unwrap_or(Digest::ZERO))?;
        }
        match self.heads.get_mut(key) {
            Some(head) => *head = event.digest(),
            None => drop(self.heads.insert(key.into(), event.digest())),
        }
        self.last_sequence = event.sequence;
        Ok(envelope)
    }

    /// The hash of the newest event of an aggregate, by its [`aggregate_key`].
    pub fn head(&self, aggregate: &str) -> Option<Digest> {
        self.heads.get(aggregate).copied()
    }

    /// The newest hash of each aggregate, by its [`aggregate_key`].
    pub fn heads(&self) -> impl Iterator<Item = (&str, Digest)> {
        let heads = self.heads.iter();
        heads.map(|(key, head)| (key.as_ref(), *head))
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
    look(event)?.map_err(|error| damaged(event, &error.to_string()))
}

fn damaged(event: &Recorded, what: &str) -> Error {
    let Recorded {
        sequence, subject, ..
    } = event;
    Error::Damaged(format!("event {sequence} ({subject}): {what}"))
}

/// The document that belongs where it stands; or, where the bytes are none at all, why they are not.
///
/// No platform stores such bytes. What becomes of a stored event by damage shows all the same: the next event of its
/// aggregate does not follow it. So they are passed over like an event of a type that is not known, and their hash is
/// the one that the next event has to carry.
pub fn look(event: &Recorded) -> Result<Result<Envelope<'_>, envelope::Error>, Error> {
    let damaged = |what: &str| damaged(event, what);
    let parts = Parts::read(&event.subject).ok_or_else(|| damaged("not an event's subject"))?;
    let envelope = match event.envelope() {
        Ok(envelope) => envelope,
        Err(error) => return Ok(Err(error)),
    };
    let event_type = match envelope.type_parts() {
        Ok(event_type) => event_type,
        Err(error) => return Ok(Err(error)),
    };
    let account = parts.account();
    if (event_type.kind, event_type.name) != (parts.kind, parts.event)
        || envelope.subject.split_once('/') != Some((parts.kind, parts.id))
        || !account.is_ok_and(|account| account.as_str() == envelope.account)
    {
        return Err(damaged("the document belongs to another subject"));
    }
    Ok(Ok(envelope))
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
    let mut prefixes = ["eai.event.", "eai.task."].iter();
    let key = prefixes.find_map(|prefix| subject.strip_prefix(prefix));
    let key = key.unwrap_or(subject);
    key.rsplit_once('.').map_or(key, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0d6f5e3c-0000-4000-8000-000000000001";

    fn event(subject: &str, document_subject: &str, account: &str) -> Recorded {
        let payload = serde_json::json!({
            "specversion": "1.0", "id": ID, "source": "urn:eai:platform:x",
            "type": "eai.service.started.v1", "subject": document_subject,
            "time": "2026-01-02T03:04:05.006Z", "datacontenttype": "application/json",
            "dataschema": "urn:eai:schema:eai.service.started.v1", "account": account,
            "actor": "platform", "commandid": ID, "correlationid": ID,
            "prevhash": Digest::ZERO.to_string(), "data": {},
        });
        Recorded {
            sequence: 7,
            subject: format!("eai.event.{subject}"),
            payload: payload.to_string().into(),
        }
    }

    #[test]
    fn a_document_belongs_to_one_subject_only() {
        let (right, document) = ("snow.testacc.service.1.started", "service/1");
        let good = event(right, document, "snow.testacc");
        assert!(read(&good).is_ok(), "{:?}", read(&good));
        for (subject, document, account) in [
            ("snow.testacc.service.2.started", document, "snow.testacc"),
            ("snow.testacc.role.1.started", document, "snow.testacc"),
            ("snow.testacc.service.1.stopped", document, "snow.testacc"),
            ("snow.other.service.1.started", document, "snow.testacc"),
            ("SNOW.testacc.service.1.started", document, "snow.testacc"),
            ("snow.testacc.service.1", document, "snow.testacc"),
            (right, "role/1", "snow.testacc"),
            (right, "1", "snow.testacc"),
            (right, document, "snow.other"),
        ] {
            let event = event(subject, document, account);
            let error = read(&event).unwrap_err().to_string();
            assert!(error.contains("event 7"), "{error}");
        }
    }

    #[test]
    fn what_is_no_document_stands_in_the_chain_by_its_bytes() {
        let subject = "snow.testacc.service.1.started";
        let at = |sequence, payload: Vec<u8>| Recorded {
            sequence,
            subject: format!("eai.event.{subject}"),
            payload: payload.into(),
        };
        let first = event(subject, "service/1", "snow.testacc");
        let first = at(1, first.payload.to_vec());
        let noise = at(2, b"{}".to_vec());
        let follows = |prevhash: Digest| {
            let text = String::from_utf8(first.payload.to_vec()).unwrap();
            let text = text.replace(&Digest::ZERO.to_string(), &prevhash.to_string());
            at(3, text.into_bytes())
        };
        for (third, is_good) in [(noise.digest(), true), (first.digest(), false)] {
            let mut chain = Chain::default();
            assert!(chain.follow(&first).unwrap().is_some());
            assert!(chain.follow(&noise).unwrap().is_none());
            assert_eq!(chain.follow(&follows(third)).is_ok(), is_good);
        }
        assert!(read(&noise).is_err());
    }

    #[test]
    fn sequences_have_no_gaps() {
        assert!(follows(0, 1).is_ok() && follows(6, 7).is_ok());
        let text = follows(6, 10).unwrap_err().to_string();
        assert!(text.contains("3 event(s) from sequence 7"), "{text}");
        for (last, sequence) in [(7, 7), (7, 6), (7, 0)] {
            assert!(follows(last, sequence).is_err());
        }
    }

    #[test]
    fn an_aggregate_is_named_by_its_subject_without_the_event() {
        let key = aggregate_key("eai.event.snow.testacc.service.1.started");
        assert_eq!(key, "snow.testacc.service.1");
    }
}
