//! How far the fold is: a sequence, and the hash of the event there, so that another log is noticed.

use eai_core::digest::Digest;
use eai_core::log::{self, Log};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::Error;

/// Where the fold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) sequence: u64,
    pub(crate) digest: Digest,
}

/// The checkpoint, if anything was folded.
pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Option<Checkpoint>, Error> {
    let row = sqlx::query("SELECT sequence, digest FROM checkpoint")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        let sequence: i64 = row.try_get("sequence")?;
        let digest: &str = row.try_get("digest")?;
        Ok(Checkpoint {
            sequence: u64::try_from(sequence).map_err(|error| Error::Row(error.to_string()))?,
            digest: digest
                .parse()
                .map_err(|_| Error::Row("a checkpoint's digest".into()))?,
        })
    })
    .transpose()
}

/// Moves the checkpoint, in the transaction of what it covers.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    checkpoint: Checkpoint,
) -> Result<(), sqlx::Error> {
    let text = "INSERT INTO checkpoint (one, sequence, digest) VALUES (1, ?, ?) \
                ON CONFLICT (one) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest";
    sqlx::query(text)
        .bind(number(checkpoint.sequence))
        .bind(checkpoint.digest.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Where to go on, if the log still has the very event that was folded last.
pub(crate) async fn resume(connection: &mut SqliteConnection, log: &Log) -> Result<u64, Error> {
    let Some(Checkpoint { sequence, digest }) = read(connection).await? else {
        return Ok(0);
    };
    let last = log.last_sequence().await?;
    if sequence > last {
        return Err(Error::Mismatch(format!(
            "the views have seen event {sequence}, but the log ends at {last}: events were lost, or this is \
             another log. Restore the log from a copy; or, to go on with what it has, run `eai server rebuild`"
        )));
    }
    match log.get(sequence).await? {
        None => Err(log::Error::Damaged(format!(
            "event {sequence}, the last that the views have seen, cannot be read"
        ))
        .into()),
        Some(event) if event.digest() != digest => Err(Error::Mismatch(format!(
            "event {sequence} is not the one that the views have seen: the log was changed, or this is \
             another log. Restore the log from a copy; or, to go on with what it has, run `eai server rebuild`"
        ))),
        Some(_) => Ok(sequence),
    }
}

/// A sequence as the database has it.
pub(crate) fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
