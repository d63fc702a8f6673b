//! Whether the views are what the log says: a fold from its start, beside them, compared row by row.

use eai_core::log::Log;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::rows::number;
use super::store::Store;
use super::{Error, database, past, snapshots};

/// How many differences of a table are told.
const MOST: u32 = 100;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Up to which event; every one was there, and followed the one before it of its aggregate.
    pub sequence: u64,
    /// How many aggregates there are.
    pub aggregates: u64,
    /// The events that this version cannot read. Nothing follows from them.
    pub parked: Vec<Parked>,
    /// The rows that are not the same in both.
    pub differences: Vec<Difference>,
}

/// An event that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its sequence.
    pub sequence: u64,
    /// Its type.
    pub event_type: String,
    /// Why.
    pub reason: String,
}

/// A row that is on one side only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// Its values, as SQL writes them.
    pub row: String,
    /// The views in use have it, and the log does not say so; else the other way round.
    pub in_views: bool,
}

impl Store {
    /// Folds the whole log anew, up to where the views are now, and compares. They go on meanwhile.
    pub async fn verify(&self, log: &Log) -> Result<Verified, Error> {
        let _one = self.shared.rebuilding.lock().await;
        let copy = past::Scratch::new(&self.shared)?;
        let sequence = {
            let mut reader = self.shared.pool().acquire().await?;
            snapshots::copy(copy.path(), &mut reader).await?
        };
        let folded = past::fold_from_start(&self.shared, log, sequence.unwrap_or(0)).await?;
        let mut writer = folded.views.shared.writer.lock().await;
        let connection = &mut writer.connection;
        database::attach(connection, copy.path(), "views").await?;
        let mut differences = Vec::new();
        for table in database::tables(connection).await? {
            differences.extend(compare(connection, &table).await?);
        }
        let aggregates = sqlx::query("SELECT count(*) AS number FROM main.heads");
        let aggregates = number(&aggregates.fetch_one(&mut *connection).await?, "number")?;
        Ok(Verified {
            sequence: folded.sequence,
            aggregates,
            parked: parked(connection).await?,
            differences,
        })
    }
}

/// What makes one text of a row of a table.
async fn text_of(connection: &mut SqliteConnection, table: &str) -> Result<String, Error> {
    let text = "SELECT group_concat('quote(\"' || name || '\")', ' || '', '' || ') AS text \
                FROM pragma_table_info(?)";
    let row = sqlx::query(text).bind(table).fetch_one(connection).await?;
    Ok(row.try_get("text")?)
}

/// The rows of a table that only one of both has.
async fn compare(connection: &mut SqliteConnection, name: &str) -> Result<Vec<Difference>, Error> {
    let text = text_of(connection, name).await?;
    let mut differences = Vec::new();
    for (has, lacks, in_views) in [("views", "main", true), ("main", "views", false)] {
        // Names come from the schema of this version.
        let query = AssertSqlSafe(format!(
            "SELECT {text} AS row FROM (SELECT * FROM {has}.{name} EXCEPT SELECT * FROM {lacks}.{name}) LIMIT {MOST}"
        ));
        let rows: Vec<SqliteRow> = sqlx::query(query).fetch_all(&mut *connection).await?;
        for row in rows {
            differences.push(Difference {
                table: name.to_owned(),
                row: row.try_get("row")?,
                in_views,
            });
        }
    }
    Ok(differences)
}

async fn parked(connection: &mut SqliteConnection) -> Result<Vec<Parked>, Error> {
    let text = "SELECT sequence, type, reason FROM main.parked ORDER BY sequence LIMIT 1000";
    let rows: Vec<SqliteRow> = sqlx::query(text).fetch_all(connection).await?;
    let read = |row: &SqliteRow| {
        Ok(Parked {
            sequence: number(row, "sequence")?,
            event_type: row.try_get("type")?,
            reason: row.try_get("reason")?,
        })
    };
    rows.iter().map(read).collect()
}
