//! What services were to run, and when.

use eai_core::digest::Digest;
use eai_core::ids::{DataId, RoleId, ServiceId};
use eai_core::job::Configuration;
use eai_core::names::FullName;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::checkpoint::number as bound;
use super::rows::{column, json, number, time};
use super::{Error, Page, Views};

/// One revision of a service.
#[derive(Clone, Debug)]
pub struct RevisionRow {
    /// Its number, counted from 1.
    pub revision: u32,
    /// The key of its configuration.
    pub key: Digest,
    /// What it runs.
    pub configuration: Configuration,
    /// When it was asked for.
    pub created_on: OffsetDateTime,
    /// Who asked for it.
    pub created_by: String,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// What a deleted service left.
#[derive(Clone, Debug)]
pub struct Left {
    /// Its runtime.
    pub runtime: (DataId, FullName),
    /// Its role.
    pub role: (RoleId, FullName),
}

impl Views {
    /// The revisions of a service, oldest first.
    pub async fn revisions(
        &self,
        service: ServiceId,
        page: Page,
    ) -> Result<Vec<RevisionRow>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM revisions WHERE service_id = ? AND sequence > ? \
                        ORDER BY sequence LIMIT ?";
            let query = sqlx::query(text)
                .bind(service.to_string())
                .bind(bound(page.after))
                .bind(page.limit);
            let rows: Vec<SqliteRow> = query.fetch_all(&pool).await?;
            rows.iter().map(row).collect()
        };
        self.ask(ask).await
    }

    /// One revision of a service.
    pub async fn revision(
        &self,
        service: ServiceId,
        revision: u32,
    ) -> Result<Option<RevisionRow>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM revisions WHERE service_id = ? AND revision = ?";
            let query = sqlx::query(text).bind(service.to_string()).bind(revision);
            let found: Option<SqliteRow> = query.fetch_optional(&pool).await?;
            found.as_ref().map(row).transpose()
        };
        self.ask(ask).await
    }
}

impl Views {
    /// The runtime and the role that the newest deleted service of this name had, by id and full name.
    pub async fn left_by(&self, name: &FullName) -> Result<Option<Left>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM services WHERE status = 'deleted' AND account = ? AND name = ? \
                        ORDER BY sequence DESC LIMIT 1";
            let query = sqlx::query(text)
                .bind(name.account.as_str())
                .bind(name.name.as_str());
            let found: Option<SqliteRow> = query.fetch_optional(&pool).await?;
            let read = |row: &SqliteRow| {
                Ok(Left {
                    runtime: (column(row, "runtime_id")?, column(row, "runtime")?),
                    role: (column(row, "role_id")?, column(row, "role")?),
                })
            };
            found.as_ref().map(read).transpose()
        };
        self.ask(ask).await
    }
}

fn row(row: &SqliteRow) -> Result<RevisionRow, Error> {
    Ok(RevisionRow {
        revision: number(row, "revision")?,
        key: column(row, "config_key")?,
        configuration: json(row, "configuration")?,
        created_on: time(row, "created_on")?,
        created_by: row.try_get("created_by")?,
        sequence: number(row, "sequence")?,
    })
}
