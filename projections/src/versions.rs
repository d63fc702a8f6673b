//! The questions about versions of data: which there are, and what depends on them.

use eai_core::digest::Digest;
use eai_core::ids::DataId;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;

use super::checkpoint::number;
use super::query::SERVICES;
use super::rows::{FromRow, ServiceRow, VersionRow};
use super::{Error, Page, Views};

/// Rows read at a time where all of them are wanted.
const RUN: i64 = 1000;

impl Views {
    /// The versions of a data resource, oldest first; the page counts versions.
    pub async fn versions(&self, data: DataId, page: Page) -> Result<Vec<VersionRow>, Error> {
        let ask = |pool| async move {
            let text =
                "SELECT * FROM versions WHERE data = ? AND version > ? ORDER BY version LIMIT ?";
            let query = sqlx::query(text)
                .bind(data.to_string())
                .bind(number(page.after))
                .bind(page.limit);
            let rows: Vec<SqliteRow> = query.fetch_all(&pool).await?;
            rows.iter().map(VersionRow::from_row).collect()
        };
        self.ask(ask).await
    }

    /// One version of a data resource.
    pub async fn version(&self, data: DataId, version: u64) -> Result<Option<VersionRow>, Error> {
        self.version_where("version = ?", data, version).await
    }

    /// The version that a data resource had when the log was at a sequence.
    pub async fn version_at(
        &self,
        data: DataId,
        sequence: u64,
    ) -> Result<Option<VersionRow>, Error> {
        let condition = "sequence <= ? ORDER BY version DESC LIMIT 1";
        self.version_where(condition, data, sequence).await
    }

    /// The services whose jobs run a data resource, oldest first.
    pub async fn services_of_runtime(&self, data: DataId) -> Result<Vec<ServiceRow>, Error> {
        let ask = |pool| async move {
            let text = format!("{SERVICES} WHERE runtime_id = ? ORDER BY sequence");
            let query = sqlx::query(AssertSqlSafe(text)).bind(data.to_string());
            let rows: Vec<SqliteRow> = query.fetch_all(&pool).await?;
            rows.iter().map(ServiceRow::from_row).collect()
        };
        self.ask(ask).await
    }

    /// The lists of files of every version made after a sequence, and the last of their sequences.
    pub async fn manifests(&self, after: u64) -> Result<(Vec<Digest>, u64), Error> {
        let (mut manifests, mut after) = (Vec::new(), after);
        loop {
            let from = number(after);
            let ask = |pool| async move {
                let text = "SELECT * FROM versions WHERE sequence > ? ORDER BY sequence LIMIT ?";
                let query = sqlx::query(text).bind(from).bind(RUN);
                let rows: Vec<SqliteRow> = query.fetch_all(&pool).await?;
                rows.iter().map(VersionRow::from_row).collect()
            };
            let rows: Vec<VersionRow> = self.ask(ask).await?;
            let Some(last) = rows.last() else {
                return Ok((manifests, after));
            };
            after = last.sequence;
            manifests.extend(rows.iter().map(|row| row.manifest));
        }
    }

    async fn version_where(
        &self,
        condition: &str,
        data: DataId,
        value: u64,
    ) -> Result<Option<VersionRow>, Error> {
        let ask = |pool| async move {
            // Both texts are constants of this module.
            let text = AssertSqlSafe(format!(
                "SELECT * FROM versions WHERE data = ? AND {condition}"
            ));
            let query = sqlx::query(text).bind(data.to_string()).bind(number(value));
            let row: Option<SqliteRow> = query.fetch_optional(&pool).await?;
            row.as_ref().map(VersionRow::from_row).transpose()
        };
        self.ask(ask).await
    }
}
