//! What the views know of each thing, typed.

use eai_core::digest::Digest;
use eai_core::ids::{AccountId, DataId, JobId, KeyId, OrganizationId, RoleId, ServiceId, UserId};
use eai_core::names::{AccountName, Name};
use eai_core::service::{Queue, Status, Terms};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Error;

/// An organization.
#[derive(Clone, Debug)]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: Name,
    /// When its first account was made.
    pub created_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// An account.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub full_name: AccountName,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// A user.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: Name,
    /// The account it belongs to.
    pub account: AccountName,
    /// The last second whose tokens are good no more, since 1970.
    pub revoked_before: Option<i64>,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// A data resource.
#[derive(Clone, Debug)]
pub struct DataRow {
    /// Its id.
    pub id: DataId,
    /// Its name.
    pub name: Name,
    /// Where it lives.
    pub account: AccountName,
    /// Its newest version; 0 where nothing was pushed yet.
    pub version: u64,
    /// The list of files of the newest version.
    pub manifest: Option<Digest>,
    /// How many files that has.
    pub files: u64,
    /// How long they are together.
    pub bytes: u64,
    /// The list of files that a job last ran.
    pub ran_manifest: Option<Digest>,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// When its newest version was made.
    pub updated_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// One version of a data resource.
#[derive(Clone, Debug)]
pub struct VersionRow {
    /// The data.
    pub data: DataId,
    /// Its number, counted from 1.
    pub version: u64,
    /// Its list of files.
    pub manifest: Digest,
    /// How many files it has.
    pub files: u64,
    /// How long they are together.
    pub bytes: u64,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// A role.
#[derive(Clone, Debug)]
pub struct RoleRow {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: Name,
    /// Where it lives.
    pub account: AccountName,
    /// What it allows.
    pub policies: Vec<String>,
    /// Who holds it, in order of joining.
    pub members: Vec<UserId>,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// A key that holds a role, or did.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// The role.
    pub role: RoleId,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// When it was revoked.
    pub revoked_on: Option<OffsetDateTime>,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// A service.
#[derive(Clone, Debug)]
pub struct ServiceRow {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: Name,
    /// Where it lives.
    pub account: AccountName,
    /// The data mounted in its jobs.
    pub runtime_id: DataId,
    /// Its full name.
    pub runtime: String,
    /// The role of its jobs.
    pub role_id: RoleId,
    /// Its full name.
    pub role: String,
    /// Whether it takes traffic.
    pub status: Status,
    /// Whether its URL takes requests without a token.
    pub public: bool,
    /// Its queue, with the workers that are wanted now; none where its front end is a URL.
    pub queue: Option<Queue>,
    /// On what terms its job is kept, where its front end is a URL.
    pub terms: Terms,
    /// How many replicas its traffic asked for, if it did.
    pub asked: Option<u32>,
    /// Why its job is not tried again, where it failed too often.
    pub gave_up: Option<String>,
    /// The newest revision; none until its runtime was looked at.
    pub revision: Option<u32>,
    /// The revision that requests go to.
    pub serving_revision: Option<u32>,
    /// The revision that did not come to answer, and its job.
    pub failed: Option<(u32, JobId)>,
    /// Whether a run is on its way out.
    pub is_leaving: bool,
    /// When it was made.
    pub created_on: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// When it last changed.
    pub updated_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// A row as it comes from the database.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &SqliteRow) -> Result<Self, Error>;
}

/// A text column, read as its type.
pub(crate) fn column<T: DeserializeOwned>(row: &SqliteRow, name: &str) -> Result<T, Error> {
    let text: &str = row.try_get(name)?;
    serde_json::from_value(text.into()).map_err(|error| Error::Row(format!("{name}: {error}")))
}

/// A text column that may be empty, read as its type.
pub(crate) fn optional<T: DeserializeOwned>(
    row: &SqliteRow,
    name: &str,
) -> Result<Option<T>, Error> {
    let text: Option<&str> = row.try_get(name)?;
    text.map(|_| column(row, name)).transpose()
}

/// A column that holds a JSON document.
pub(crate) fn json<T: DeserializeOwned>(row: &SqliteRow, name: &str) -> Result<T, Error> {
    let text: &str = row.try_get(name)?;
    serde_json::from_str(text).map_err(|error| Error::Row(format!("{name}: {error}")))
}

/// A column that may hold a JSON document.
pub(crate) fn optional_json<T: DeserializeOwned>(
    row: &SqliteRow,
    name: &str,
) -> Result<Option<T>, Error> {
    let text: Option<&str> = row.try_get(name)?;
    text.map(|_| json(row, name)).transpose()
}

pub(crate) fn time(row: &SqliteRow, name: &str) -> Result<OffsetDateTime, Error> {
    let text: &str = row.try_get(name)?;
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| Error::Row(format!("{name}: {error}")))
}

pub(crate) fn optional_time(row: &SqliteRow, name: &str) -> Result<Option<OffsetDateTime>, Error> {
    let text: Option<&str> = row.try_get(name)?;
    text.map(|_| time(row, name)).transpose()
}

/// A column that holds a count.
pub(crate) fn number<T: TryFrom<i64>>(row: &SqliteRow, name: &str) -> Result<T, Error> {
    let number: i64 = row.try_get(name)?;
    T::try_from(number).map_err(|_| Error::Row(format!("{name}: {number}")))
}

/// On what terms the job of a service is kept.
pub(crate) fn terms(row: &SqliteRow) -> Result<Terms, Error> {
    let time: Option<i64> = row.try_get("idle_timeout_ms")?;
    Ok(Terms {
        idle_timeout_ms: time.and_then(|time| time.try_into().ok()),
        min_ready: number(row, "min_ready")?,
        replicas: optional_json(row, "replicas")?.unwrap_or_default(),
    })
}

fn sequence(row: &SqliteRow) -> Result<u64, Error> {
    number(row, "sequence")
}

impl FromRow for OrganizationRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            created_on: time(row, "created_on")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for AccountRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            full_name: column(row, "full_name")?,
            organization_id: column(row, "organization_id")?,
            created_on: time(row, "created_on")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for UserRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            account: column(row, "account")?,
            revoked_before: row.try_get("revoked_before")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for DataRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            account: column(row, "account")?,
            version: number(row, "version")?,
            manifest: optional(row, "manifest")?,
            files: number(row, "files")?,
            bytes: number(row, "bytes")?,
            ran_manifest: optional(row, "ran_manifest")?,
            created_on: time(row, "created_on")?,
            created_by: row.try_get("created_by")?,
            updated_on: time(row, "updated_on")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for VersionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            data: column(row, "data")?,
            version: number(row, "version")?,
            manifest: column(row, "manifest")?,
            files: number(row, "files")?,
            bytes: number(row, "bytes")?,
            created_on: time(row, "created_on")?,
            created_by: row.try_get("created_by")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for RoleRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        let list = |name: &str| -> Result<String, Error> { Ok(row.try_get(name)?) };
        let read = |error: serde_json::Error| Error::Row(error.to_string());
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            account: column(row, "account")?,
            policies: serde_json::from_str(&list("policies")?).map_err(read)?,
            members: serde_json::from_str(&list("members")?).map_err(read)?,
            created_on: time(row, "created_on")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for KeyRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            role: column(row, "role")?,
            created_on: time(row, "created_on")?,
            created_by: row.try_get("created_by")?,
            revoked_on: optional_time(row, "revoked_on")?,
            sequence: sequence(row)?,
        })
    }
}

impl FromRow for ServiceRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            name: column(row, "name")?,
            account: column(row, "account")?,
            runtime_id: column(row, "runtime_id")?,
            runtime: row.try_get("runtime")?,
            role_id: column(row, "role_id")?,
            role: row.try_get("role")?,
            status: column(row, "status")?,
            public: row.try_get("public")?,
            queue: optional_json(row, "queue")?,
            terms: terms(row)?,
            asked: row.try_get("asked")?,
            gave_up: row.try_get("gave_up")?,
            revision: row.try_get("revision")?,
            serving_revision: row.try_get("serving_revision")?,
            failed: row
                .try_get::<Option<u32>, _>("failed_revision")?
                .zip(optional(row, "failed_job")?),
            is_leaving: row.try_get("is_leaving")?,
            created_on: time(row, "created_on")?,
            created_by: row.try_get("created_by")?,
            updated_on: time(row, "updated_on")?,
            sequence: sequence(row)?,
        })
    }
}
