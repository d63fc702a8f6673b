//! Executors and what their runs have of them, as they are asked for.

use std::collections::HashMap;

use eai_core::executor::Standing;
use eai_core::ids::ExecutorId;
use eai_core::names::AccountName;
use eai_core::spec::Spec;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::rows::{FromRow, column, json, number, time};
use super::{Error, Views};

/// An executor.
#[derive(Clone, Debug)]
pub struct ExecutorRow {
    /// Its id.
    pub id: ExecutorId,
    /// The account that its events are in.
    pub account: AccountName,
    /// Where it is.
    pub state: Standing,
    /// Its epoch.
    pub epoch: u32,
    /// What it runs jobs with.
    pub backend: String,
    /// The processor cores of its machine, in thousandths.
    pub cpu_milli: u64,
    /// The memory that its runs may have together, in MiB.
    pub mem_mib: u64,
    /// When its epoch began.
    pub started_on: OffsetDateTime,
    /// When it last changed.
    pub updated_on: OffsetDateTime,
    /// The sequence of the event that made it.
    pub sequence: u64,
}

/// What the runs of an executor have of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// How many there are.
    pub runs: u64,
    /// Their processor cores, in thousandths.
    pub cpu_milli: u64,
    /// Their memory, in MiB.
    pub mem_mib: u64,
}

impl Views {
    /// What the runs of each executor have of it; executors without runs are not in it.
    pub async fn reserved(&self) -> Result<HashMap<ExecutorId, Reserved>, Error> {
        let ask = |pool| async move {
            let text = "SELECT executor, spec FROM jobs \
                        WHERE state IN ('QUEUED', 'RUNNING', 'CANCELLING') AND executor IS NOT NULL";
            let rows: Vec<SqliteRow> = sqlx::query(text).fetch_all(&pool).await?;
            let mut reserved: HashMap<ExecutorId, Reserved> = HashMap::new();
            for row in rows {
                let spec: Spec = json(&row, "spec")?;
                let of = reserved.entry(column(&row, "executor")?).or_default();
                of.runs += 1;
                of.cpu_milli += u64::from(spec.resources.cpu.milli());
                of.mem_mib += u64::from(spec.resources.mem.mebibytes());
            }
            Ok(reserved)
        };
        self.ask(ask).await
    }
}

impl FromRow for ExecutorRow {
    fn from_row(row: &SqliteRow) -> Result<Self, Error> {
        let (started, lost) = (row.try_get("started")?, row.try_get("lost")?);
        Ok(Self {
            id: column(row, "id")?,
            account: column(row, "account")?,
            state: Standing::of(started, lost, row.try_get("draining")?),
            epoch: number(row, "epoch")?,
            backend: row.try_get("backend")?,
            cpu_milli: number(row, "cpu")?,
            mem_mib: number(row, "mem")?,
            started_on: time(row, "started_on")?,
            updated_on: time(row, "updated_on")?,
            sequence: number(row, "sequence")?,
        })
    }
}
