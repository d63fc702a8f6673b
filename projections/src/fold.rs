//! Folding a batch of events in one transaction: rows, chain heads and checkpoint change together.

use std::collections::{HashMap, HashSet};

use eai_core::digest::Digest;
use eai_core::log::Recorded;
use eai_core::log::chain::{aggregate_key, follows, links, look};
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use super::checkpoint::{self, Checkpoint, number};
use super::project::{self, Fact};
use super::writes::Writes;
use super::{Error, writes};

/// What a batch did: how far the fold is now, and what stopped it before the batch's end.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) sequence: u64,
    pub(crate) stopped: Option<Error>,
}

/// The table of where events are. It grows with the log, and only questions to the views in use need it.
pub(crate) const PLACES: &str = "events";

/// Whether it is noted where each event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// It is, for [`PLACES`].
    Noted,
    /// Nobody will ask.
    Left,
}

/// What the events of a batch write.
#[derive(Default)]
struct Batch<'a> {
    /// The newest event of each aggregate that the batch has one of: its hash, and its sequence if it is new.
    heads: HashMap<&'a str, (Digest, Option<u64>)>,
    writes: Vec<Writes>,
    /// The ids of events as hexadecimal digits, with their sequences.
    places: Vec<(String, u64)>,
}

/// Folds events in order. Those that were folded already are passed over; what comes before damage is kept.
pub(crate) async fn fold(
    connection: &mut SqliteConnection,
    events: &[Recorded],
    places: Places,
) -> Result<Folded, Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let before = checkpoint::read(&mut transaction).await?;
    let mut batch = Batch {
        heads: heads(&mut transaction, events).await?,
        ..Batch::default()
    };
    let mut now = before;
    let mut stopped = None;
    for event in events {
        let last = now.map_or(0, |checkpoint| checkpoint.sequence);
        if event.sequence <= last {
            continue;
        }
        match batch.take(event, last) {
            Ok(digest) => {
                now = Some(Checkpoint {
                    sequence: event.sequence,
                    digest,
                });
            }
            Err(error) => {
                stopped = Some(error);
                break;
            }
        }
    }
    if let Some(checkpoint) = now
        && now != before
    {
        writes::run(&mut transaction, &batch.writes).await?;
        batch.note(&mut transaction, places).await?;
        checkpoint::write(&mut transaction, checkpoint).await?;
    }
    // Where a statement fails, the transaction goes back with everything in it, and the batch comes again.
    transaction.commit().await?;
    Ok(Folded {
        sequence: now.map_or(0, |checkpoint| checkpoint.sequence),
        stopped,
    })
}

// === impl Batch ===

impl<'a> Batch<'a> {
    /// Takes the event after `last`, if it is the next one of the log and of its aggregate.
    fn take(&mut self, event: &'a Recorded, last: u64) -> Result<Digest, Error> {
        follows(last, event.sequence)?;
        let aggregate = aggregate_key(&event.subject);
        let writes = match look(event)? {
            Ok(envelope) => {
                let head = self.heads.get(aggregate);
                let head = head.map_or(Digest::ZERO, |(digest, _)| *digest);
                links(event.sequence, &envelope, head)?;
                let fact = Fact::new(&envelope, event.sequence)?;
                let id = envelope.id.0.simple().to_string();
                self.places.push((id, event.sequence));
                project::apply(&fact)
                    .unwrap_or_else(|error| park(event.sequence, &envelope.r#type, &error))
            }
            // Whatever it is, it has no type: it is told by where it stands.
            Err(error) => park(event.sequence, &event.subject, &error),
        };
        let digest = event.digest();
        self.heads.insert(aggregate, (digest, Some(event.sequence)));
        self.writes.push(writes);
        Ok(digest)
    }

    /// Notes which events are their aggregates' newest, and where each event is.
    async fn note(&self, connection: &mut SqliteConnection, places: Places) -> Result<(), Error> {
        let new = |(aggregate, (digest, sequence)): (_, &(Digest, Option<u64>))| {
            Some((aggregate, (*sequence)?, digest.to_string()))
        };
        let heads: Vec<(&&str, u64, String)> = self.heads.iter().filter_map(new).collect();
        let text = "INSERT INTO heads (aggregate, sequence, digest) \
                    SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true \
                    ON CONFLICT (aggregate) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest";
        sqlx::query(text)
            .bind(json(&heads)?)
            .execute(&mut *connection)
            .await?;
        if places == Places::Left {
            return Ok(());
        }
        let text = "INSERT OR IGNORE INTO events (id, sequence) \
                    SELECT unhex(value->>0), value->>1 FROM json_each(?)";
        sqlx::query(text)
            .bind(json(&self.places)?)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Notes what this version cannot read. Nothing follows from it.
fn park(sequence: u64, event_type: &str, reason: &(dyn std::error::Error + Sync)) -> Writes {
    tracing::warn!(sequence, error = %reason, "views.parked");
    let mut writes = Writes::default();
    writes
        .add("INSERT OR IGNORE INTO parked (sequence, type, reason) VALUES (?, ?, ?)")
        .bind(number(sequence))
        .bind(event_type)
        .bind(reason.to_string());
    writes
}

/// The newest event of each of the events' aggregates that was folded before.
async fn heads<'a>(
    connection: &mut SqliteConnection,
    events: &'a [Recorded],
) -> Result<HashMap<&'a str, (Digest, Option<u64>)>, Error> {
    let aggregates: HashSet<&str> = events
        .iter()
        .map(|event| aggregate_key(&event.subject))
        .collect();
    let text =
        "SELECT aggregate, digest FROM heads WHERE aggregate IN (SELECT value FROM json_each(?))";
    let rows = sqlx::query(text)
        .bind(json(&aggregates)?)
        .fetch_all(connection)
        .await?;
    let mut heads = HashMap::with_capacity(aggregates.len());
    for row in rows {
        let digest: &str = row.try_get("digest")?;
        let digest = digest
            .parse()
            .map_err(|_| Error::Row("a chain head's digest".into()))?;
        let aggregate: &str = row.try_get("aggregate")?;
        if let Some(aggregate) = aggregates.get(aggregate) {
            heads.insert(*aggregate, (digest, None));
        }
    }
    Ok(heads)
}

fn json(rows: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(rows).map_err(|error| Error::Row(error.to_string()))
}
