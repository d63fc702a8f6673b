//! Jobs and their runs, as they are asked for.

use std::collections::HashMap;

use eai_core::ids::{JobId, ServiceId};
use eai_core::job::{Phase, Phases};
use eai_core::names::{AccountName, Name};
use eai_core::spec::Spec;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use time::OffsetDateTime;

use super::rows::{FromRow, column, json, number, optional, optional_time, time};
use super::{Error, Page, Scope, Views};

/// A job.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// Where it lives.
    pub account: AccountName,
    /// The service that it works for.
    pub service_id: Option<ServiceId>,
    /// Its full name.
    pub service: Option<String>,
    /// The revision of the service.
    pub revision: Option<u32>,
    /// What it runs.
    pub spec: Spec,
    /// Where it is.
    pub state: Phase,
    /// Why it is there, where that is known.
    pub state_info: String,
    /// The current run, or the last one.
    pub run: u32,
    /// Whether it answers on its port.
    pub ready: bool,
    /// Whether it is held still.
    pub frozen: bool,
    /// What runs it, or ran it.
    pub backend: Option<String>,
    /// The backend has no images.
    pub image_ignored: bool,
    /// When it was asked for.
    pub created_on: OffsetDateTime,
    /// Who asked.
    pub created_by: String,
    /// When it last changed.
    pub updated_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// One run of a job.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// The run, counted from 0.
    pub run: u32,
    /// Where it is, or how it ended.
    pub state: Phase,
    /// The image that it ran with.
    pub image: Option<String>,
    /// When it was asked for.
    pub created_on: OffsetDateTime,
    /// When an executor took it.
    pub queued_on: Option<OffsetDateTime>,
    /// When its command ran.
    pub started_on: Option<OffsetDateTime>,
    /// When it first answered.
    pub ready_on: Option<OffsetDateTime>,
    /// When it was asked to end.
    pub cancel_requested_on: Option<OffsetDateTime>,
    /// When it ended.
    pub ended_on: Option<OffsetDateTime>,
    /// Why it ended, for programs.
    pub reason: Option<String>,
    /// Why it ended, for people.
    pub message: Option<String>,
    /// The command's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long the phases of its start took.
    pub phases: Option<Phases>,
}

/// Which jobs a list is about; what is absent means any.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Those of a service.
    pub service: Option<ServiceId>,
    /// Those in one of these states; empty: in any.
    pub states: Vec<Phase>,
    /// Those whose name contains this.
    pub name: Option<String>,
    /// Those that are alive, or changed since.
    pub since: Option<OffsetDateTime>,
    /// Oldest first, instead of newest first. A page's `after` counts in that direction.
    pub oldest_first: bool,
}

impl Views {
    /// A job by its id.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, Error> {
        let ask = |pool| async move {
            let query = sqlx::query("SELECT * FROM jobs WHERE id = ?").bind(id.to_string());
            let row = query.fetch_optional(&pool).await?;
            row.as_ref().map(JobRow::from_row).transpose()
        };
        self.ask(ask).await
    }

    /// Jobs of some accounts, newest first unless asked otherwise.
    pub async fn jobs(
        &self,
        scope: &Scope,
        filter: &JobFilter,
        page: Page,
    ) -> Result<Vec<JobRow>, Error> {
        let mut query = select(scope, filter, page)?;
        let ask = |pool| async move {
            let rows: Vec<SqliteRow> = query.build().fetch_all(&pool).await?;
            rows.iter().map(JobRow::from_row).collect()
        };
        self.ask(ask).await
    }

    /// The current or last run of each of these jobs.
    pub async fn last_runs(&self, jobs: &[JobId]) -> Result<HashMap<JobId, RunRow>, Error> {
        let ids: Vec<_> = jobs.iter().map(ToString::to_string).collect();
        let ids = serde_json::Value::from(ids).to_string();
        let ask = |pool| async move {
            let text = "SELECT runs.* FROM json_each(?) AS ids \
                        JOIN jobs ON jobs.id = ids.value \
                        JOIN runs ON runs.job = jobs.id AND runs.run = jobs.run";
            let rows: Vec<SqliteRow> = sqlx::query(text).bind(ids).fetch_all(&pool).await?;
            let read = |row| Ok((column(row, "job")?, RunRow::from_row(row)?));
            rows.iter().map(read).collect()
        };
        self.ask(ask).await
    }

    /// A job's runs, oldest first; the last thousand.
    pub async fn runs(&self, job: JobId) -> Result<Vec<RunRow>, Error> {
        let ask = |pool| async move {
            let text = "SELECT * FROM (SELECT * FROM runs WHERE job = ? ORDER BY run DESC LIMIT 1000) ORDER BY run";
            let query = sqlx::query(text).bind(job.to_string());
            let rows: Vec<SqliteRow> = query.fetch_all(&pool).await?;
            rows.iter().map(RunRow::from_row).collect()
        };
        self.ask(ask).await
    }
}

fn select(scope: &Scope, filter: &JobFilter, page: Page) -> Result<QueryBuilder<Sqlite>, Error> {
    let alive = "('QUEUING', 'QUEUED', 'RUNNING', 'CANCELLING')";
    let mut query =
        QueryBuilder::new("SELECT * FROM jobs WHERE account IN (SELECT value FROM json_each(");
    query.push_bind(scope.names()).push("))");
    if let Some(service) = filter.service {
        query
            .push(" AND service_id = ")
            .push_bind(service.to_string());
    }
    if !filter.states.is_empty() {
        let states: Vec<_> = filter.states.iter().map(ToString::to_string).collect();
        let states = serde_json::Value::from(states).to_string();
        query.push(" AND state IN (SELECT value FROM json_each(");
        query.push_bind(states).push("))");
    }
    if let Some(name) = &filter.name {
        query.push(" AND instr(coalesce(name, ''), ");
        query.push_bind(name.clone()).push(") > 0");
    }
    if let Some(since) = filter.since {
        let since = since
            .format(&time::format_description::well_known::Rfc3339)
            .map_err(|error| Error::Row(error.to_string()))?;
        query.push(format!(" AND (state IN {alive} OR updated_on >= "));
        query.push_bind(since).push(")");
    }
    let after = crate::checkpoint::number(page.after);
    if filter.oldest_first {
        query.push(" AND sequence > ").push_bind(after);
        query.push(" ORDER BY sequence");
    } else {
        if page.after > 0 {
            query.push(" AND sequence < ").push_bind(after);
        }
        query.push(" ORDER BY sequence DESC");
    }
    query.push(" LIMIT ").push_bind(page.limit);
    Ok(query)
}

impl FromRow for JobRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: column(row, "id")?,
            name: optional(row, "name")?,
            account: column(row, "account")?,
            service_id: optional(row, "service_id")?,
            service: row.try_get("service")?,
            revision: row.try_get("revision")?,
            spec: json(row, "spec")?,
            state: column(row, "state")?,
            state_info: row.try_get("state_info")?,
            run: number(row, "run")?,
            ready: row.try_get("ready")?,
            frozen: row.try_get("frozen")?,
            backend: row.try_get("backend")?,
            image_ignored: row.try_get("image_ignored")?,
            created_on: time(row, "created_on")?,
            created_by: row.try_get("created_by")?,
            updated_on: time(row, "updated_on")?,
            sequence: number(row, "sequence")?,
        })
    }
}

impl FromRow for RunRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        let phases: Option<&str> = row.try_get("phases")?;
        Ok(Self {
            run: number(row, "run")?,
            state: column(row, "state")?,
            image: row.try_get("image")?,
            created_on: time(row, "created_on")?,
            queued_on: optional_time(row, "claimed_on")?,
            started_on: optional_time(row, "started_on")?,
            ready_on: optional_time(row, "ready_on")?,
            cancel_requested_on: optional_time(row, "cancel_requested_on")?,
            ended_on: optional_time(row, "ended_on")?,
            reason: row.try_get("reason")?,
            message: row.try_get("message")?,
            exit_code: row.try_get("exit_code")?,
            signal: row.try_get("signal")?,
            phases: phases.map(|_| json(row, "phases")).transpose()?,
        })
    }
}
