//! Folding a batch of events in one transaction: rows, chain heads and checkpoint change together.

use eai_core::digest::Digest;
use eai_core::log::Recorded;
use eai_core::log::chain::{aggregate_key, follows, links, look};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use super::Error;
use super::checkpoint::{self, Checkpoint, number};
use super::project::{self, Fact};

/// What a batch did: how far the fold is now, and what stopped it before the batch's end.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) sequence: u64,
    pub(crate) stopped: Option<Error>,
}

/// Folds events in order. Those that were folded already are passed over; what comes before damage is kept.
pub(crate) async fn fold(
    connection: &mut SqliteConnection,
    events: &[Recorded],
) -> Result<Folded, Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let before = checkpoint::read(&mut transaction).await?;
    let mut now = before;
    let mut stopped = None;
    for event in events {
        let last = now.map_or(0, |checkpoint| checkpoint.sequence);
        if event.sequence <= last {
            continue;
        }
        match one(&mut transaction, event, last).await {
            Ok(digest) => {
                now = Some(Checkpoint {
                    sequence: event.sequence,
                    digest,
                });
            }
            Err(error) if error.is_final() => {
                stopped = Some(error);
                break;
            }
            // The transaction goes back with everything in it, and the batch comes again.
            Err(error) => return Err(error),
        }
    }
    if let Some(checkpoint) = now
        && now != before
    {
        checkpoint::write(&mut transaction, checkpoint).await?;
    }
    transaction.commit().await?;
    Ok(Folded {
        sequence: now.map_or(0, |checkpoint| checkpoint.sequence),
        stopped,
    })
}

async fn one(
    connection: &mut SqliteConnection,
    event: &Recorded,
    last: u64,
) -> Result<Digest, Error> {
    follows(last, event.sequence)?;
    let key = aggregate_key(&event.subject);
    match look(event)? {
        Ok(envelope) => {
            let head = head(connection, key).await?;
            links(event.sequence, &envelope, head.unwrap_or(Digest::ZERO))?;
            let fact = Fact::new(&envelope, event.sequence)?;
            if let Err(unreadable) = project::apply(connection, &fact).await? {
                park(connection, event.sequence, &envelope.r#type, &unreadable).await?;
            }
            sqlx::query("INSERT OR IGNORE INTO events (id, sequence) VALUES (?, ?)")
                .bind(envelope.id.0.as_bytes().as_slice())
                .bind(number(event.sequence))
                .execute(&mut *connection)
                .await?;
        }
        // Whatever it is, it has no type: it is told by where it stands.
        Err(error) => park(connection, event.sequence, &event.subject, &error).await?,
    }
    let digest = event.digest();
    let text = "INSERT INTO heads (aggregate, sequence, digest) VALUES (?, ?, ?) \
                ON CONFLICT (aggregate) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest";
    sqlx::query(text)
        .bind(key)
        .bind(number(event.sequence))
        .bind(digest.to_string())
        .execute(&mut *connection)
        .await?;
    Ok(digest)
}

/// Notes what this version cannot read. Nothing follows from it.
async fn park(
    connection: &mut SqliteConnection,
    sequence: u64,
    event_type: &str,
    reason: &(dyn std::error::Error + Sync),
) -> Result<(), Error> {
    tracing::warn!(sequence, error = %reason, "views.parked");
    sqlx::query("INSERT OR IGNORE INTO parked (sequence, type, reason) VALUES (?, ?, ?)")
        .bind(number(sequence))
        .bind(event_type)
        .bind(reason.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn head(connection: &mut SqliteConnection, key: &str) -> Result<Option<Digest>, Error> {
    let row = sqlx::query("SELECT digest FROM heads WHERE aggregate = ?")
        .bind(key)
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        let text: &str = row.try_get("digest")?;
        text.parse()
            .map_err(|_| Error::Row("a chain head's digest".into()))
    })
    .transpose()
}
