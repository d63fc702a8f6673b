//! Credentials of monitors as they are asked for: those that are good, and those that were.

use eai_core::ids::MonitorId;
use eai_core::names::{AccountName, Name};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::rows::{FromRow, column, number, optional_time, time};
use super::{Error, Views};

/// Credentials of a monitor.
#[derive(Clone, Debug)]
pub struct MonitorRow {
    /// Their id.
    pub id: MonitorId,
    /// Their name.
    pub name: Name,
    /// The account that is watched.
    pub account: AccountName,
    /// The public key.
    pub key: String,
    /// When they were made.
    pub created_on: OffsetDateTime,
    /// Who made them.
    pub created_by: String,
    /// When they were revoked.
    pub revoked_on: Option<OffsetDateTime>,
    /// The sequence of the event that made them.
    pub sequence: u64,
}

impl Views {
    /// The credentials of a name: the good ones, or else the last that were good.
    pub async fn monitor_by_name(
        &self,
        account: &AccountName,
        name: &Name,
    ) -> Result<Option<MonitorRow>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM monitors WHERE account = ? AND name = ? \
                        ORDER BY revoked_on IS NOT NULL, sequence DESC LIMIT 1";
            let query = sqlx::query(text).bind(account.as_str()).bind(name.as_str());
            Ok(query.fetch_optional(&pool).await?)
        };
        let row: Option<SqliteRow> = self.ask(ask).await?;
        row.as_ref().map(MonitorRow::from_row).transpose()
    }
}

impl FromRow for MonitorRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            account: column(row, "account")?,
            key: row.try_get("key")?,
            created_on: time(row, "created_on")?,
            created_by: row.try_get("created_by")?,
            revoked_on: optional_time(row, "revoked_on")?,
            sequence: number(row, "sequence")?,
        })
    }
}
