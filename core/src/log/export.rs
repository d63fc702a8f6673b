//! What an export of the log is: each stored document on a line, byte for byte, and a manifest of them all.
//!
//! It knows lines and what must hold of them. Where they are read from and written to is its callers' business.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::chain::look;
use super::{Chain, Error, Recorded};
use crate::catalogue;
use crate::digest::Digest;
use crate::envelope::Envelope;
use crate::subject::account_filter;

/// The name of the format, with its version.
pub const FORMAT: &str = "eai.export.v1";

/// What is said of the lines of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// How many lines there are.
    pub events: u64,
    /// The sequence of the first one; the others follow without a gap.
    pub first_sequence: u64,
    /// The sequence of the last one.
    pub last_sequence: u64,
    /// The SHA-256 of the file.
    pub sha256: Digest,
    /// The hash of the newest event of each aggregate: `snow.testacc.service.<id>`.
    pub heads: BTreeMap<String, Digest>,
}

/// What was seen of an export's lines so far: every one follows the one before it.
#[derive(Debug, Default)]
pub struct Tally {
    chain: Chain,
    hash: Sha256,
    unreadable: u64,
}

impl Tally {
    /// Takes the next event. A gap or a broken chain is an error.
    pub fn take(&mut self, event: &Recorded) -> Result<(), Error> {
        let envelope = self.chain.follow(event)?;
        let is_read = envelope.as_ref().is_some_and(|envelope| {
            let parts = envelope.type_parts();
            parts.is_ok_and(|parts| catalogue::check(parts, envelope.data.get()).is_ok())
        });
        self.unreadable += u64::from(!is_read);
        self.hash.update(line_with(event, envelope.is_some()));
        self.hash.update(b"\n");
        Ok(())
    }

    /// How many events this version cannot read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// What there is to say of the lines.
    pub fn manifest(self) -> Manifest {
        let events = self.chain.last_sequence();
        let heads = self.chain.heads();
        Manifest {
            format: FORMAT.to_owned(),
            events,
            first_sequence: events.min(1),
            last_sequence: events,
            sha256: self.hash.into(),
            heads: heads.map(|(key, head)| (key.to_owned(), head)).collect(),
        }
    }
}

impl Manifest {
    /// What of it is not so in another one.
    pub fn differs(&self, other: &Self) -> Option<String> {
        let differ = |what: &str, one: &dyn std::fmt::Display, two: &dyn std::fmt::Display| {
            Some(format!("{what} is {two}, and the manifest says {one}"))
        };
        if self.format != FORMAT {
            return differ("the format that is known", &self.format, &FORMAT);
        }
        if self.events != other.events {
            return differ("the number of events", &self.events, &other.events);
        }
        if (self.first_sequence, self.last_sequence) != (other.first_sequence, other.last_sequence)
        {
            return differ(
                "the last sequence",
                &self.last_sequence,
                &other.last_sequence,
            );
        }
        if self.sha256 != other.sha256 {
            return differ("the file's SHA-256", &self.sha256, &other.sha256);
        }
        let head = self
            .heads
            .iter()
            .find(|(key, head)| other.heads.get(*key) != Some(head));
        match head {
            Some((key, _)) => Some(format!(
                "the newest event of {key} is not the one in the manifest"
            )),
            None if self.heads.len() != other.heads.len() => differ(
                "the number of aggregates",
                &self.heads.len(),
                &other.heads.len(),
            ),
            None => None,
        }
    }
}

/// What is stored and is no document on one line: where it stands, and its bytes in base 64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Odd {
    subject: String,
    bytes: String,
}

/// The line of an event, without its end: the document byte for byte, where it is one.
pub fn line(event: &Recorded) -> Cow<'_, [u8]> {
    line_with(event, look(event).is_ok_and(|found| found.is_ok()))
}

fn line_with(event: &Recorded, is_document: bool) -> Cow<'_, [u8]> {
    if is_document && !event.payload.contains(&b'\n') {
        return Cow::Borrowed(&event.payload);
    }
    let odd = json!({ "subject": event.subject, "bytes": BASE64.encode(&event.payload) });
    Cow::Owned(odd.to_string().into_bytes())
}

/// The event on a line: where it stood follows from the document.
pub fn recorded(sequence: u64, line: &[u8]) -> Result<Recorded, Error> {
    let damaged = |what: String| Error::Damaged(format!("line {sequence}: {what}"));
    if let Ok(Odd { subject, bytes }) = serde_json::from_slice(line) {
        let payload = BASE64.decode(bytes.as_bytes());
        let payload = payload.map_err(|error| damaged(error.to_string()))?;
        return Ok(Recorded {
            sequence,
            subject,
            payload: payload.into(),
        });
    }
    let envelope = Envelope::parse(line).map_err(|error| damaged(error.to_string()))?;
    let parts = envelope.type_parts();
    let parts = parts.map_err(|error| damaged(error.to_string()))?;
    let account = envelope.account_name();
    let account = account.map_err(|error| damaged(error.to_string()))?;
    let id = Some(envelope.aggregate_id());
    Ok(Recorded {
        sequence,
        subject: account_filter(&account, Some(parts.kind), id, Some(parts.name)),
        payload: line.to_vec().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0d6f5e3c-0000-4000-8000-000000000001";

    fn line(event_type: &str, prevhash: Digest) -> Vec<u8> {
        json!({
            "specversion": "1.0", "id": ID, "source": "urn:eai:platform:x", "type": event_type,
            "subject": format!("service/{ID}"), "time": "2026-01-02T03:04:05.006Z",
            "datacontenttype": "application/json", "dataschema": "urn:eai:schema:x",
            "account": "snow.testacc", "actor": "platform", "commandid": ID, "correlationid": ID,
            "prevhash": prevhash.to_string(), "data": {},
        })
        .to_string()
        .into_bytes()
    }

    fn tally(lines: &[Vec<u8>]) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for (sequence, line) in (1..).zip(lines) {
            tally.take(&recorded(sequence, line)?)?;
        }
        Ok(tally)
    }

    fn lines() -> Vec<Vec<u8>> {
        let first = line("eai.service.started.v1", Digest::ZERO);
        let second = line("eai.service.sang.v9", Digest::of(&first));
        vec![first, second]
    }

    #[test]
    fn a_manifest_is_that_of_its_lines_only() {
        let read = tally(&lines()).unwrap();
        assert_eq!(read.unreadable(), 1);
        let manifest = read.manifest();
        let whole = [
            lines().concat()[..lines()[0].len()].to_vec(),
            lines()[1].clone(),
        ];
        let bytes: Vec<u8> = whole
            .iter()
            .flat_map(|line| [&line[..], b"\n"].concat())
            .collect();
        assert_eq!(manifest.sha256, Digest::of(&bytes));
        assert_eq!((manifest.events, manifest.last_sequence), (2, 2));
        assert_eq!(
            manifest.heads[&format!("snow.testacc.service.{ID}")],
            Digest::of(&lines()[1])
        );
        assert_eq!(manifest.differs(&manifest), None);
        let shorter = tally(&lines()[..1]).unwrap().manifest();
        assert!(
            manifest
                .differs(&shorter)
                .unwrap()
                .contains("the manifest says 2")
        );
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    }

    #[test]
    fn a_changed_or_missing_line_is_noticed() {
        let mut changed = lines();
        changed[0] = String::from_utf8(changed[0].clone())
            .unwrap()
            .replace("05.006Z", "05.007Z")
            .into();
        assert!(tally(&changed).is_err());
        assert!(tally(&lines()[1..]).is_err());
        assert!(recorded(1, b"no JSON").is_err());
        assert!(recorded(1, b"").is_err());
    }

    #[test]
    fn what_is_no_document_keeps_its_place_and_its_bytes() {
        let subject = format!("eai.event.snow.testacc.service.{ID}.sang");
        let first = line("eai.service.started.v1", Digest::ZERO);
        for odd in [
            &b"hello"[..],
            b"",
            b"{}",
            b"\xff\n\0",
            b"{\"subject\":\"x\",\"bytes\":\"\"}",
        ] {
            let odd = Recorded {
                sequence: 2,
                subject: subject.clone(),
                payload: odd.to_vec().into(),
            };
            let last = line("eai.service.stopped.v1", odd.digest());
            let written = super::line(&odd).into_owned();
            assert!(!written.contains(&b'\n'));
            let read = recorded(2, &written).unwrap();
            assert_eq!((&read.subject, &read.payload), (&odd.subject, &odd.payload));
            let read = tally(&[first.clone(), written, last]).unwrap();
            assert_eq!((read.unreadable(), read.manifest().events), (1, 3));
        }
        // It hides nothing: what stands behind it has to know its hash.
        let odd = Recorded {
            sequence: 2,
            subject,
            payload: b"hello".to_vec().into(),
        };
        let odd = super::line(&odd).into_owned();
        let last = line("eai.service.stopped.v1", Digest::of(&first));
        assert!(tally(&[first, odd, last]).is_err());
    }

    #[test]
    fn nothing_at_all_is_an_export() {
        let manifest = Tally::default().manifest();
        assert_eq!(
            (
                manifest.events,
                manifest.first_sequence,
                manifest.last_sequence
            ),
            (0, 0, 0)
        );
        assert_eq!(manifest.sha256, Digest::of(b""));
    }
}
