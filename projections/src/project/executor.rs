//! Executors, and which of the runs they hold go on in their newest epoch.

use eai_core::executor::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};
use crate::checkpoint::number;

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    match event {
        Event::Started(started) => {
            let text = "INSERT INTO executors (id, account, epoch, backend, cpu, mem, started, lost, draining, \
                        started_on, updated_on, sequence) VALUES (?, ?, ?, ?, ?, ?, 1, 0, 0, ?, ?, ?) \
                        ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, backend = excluded.backend, \
                        cpu = excluded.cpu, mem = excluded.mem, started = 1, lost = 0, \
                        started_on = excluded.started_on, updated_on = excluded.updated_on";
            sqlx::query(text)
                .bind(started.id.to_string())
                .bind(fact.account)
                .bind(started.epoch)
                .bind(&started.backend)
                .bind(number(started.cpu_milli))
                .bind(number(started.mem_mib))
                .bind(&fact.time)
                .bind(&fact.time)
                .bind(fact.sequence)
                .execute(&mut *connection)
                .await?;
            for run in started.adopted {
                let text = "UPDATE jobs SET epoch = ? WHERE id = ? AND run = ? AND claim = ?";
                sqlx::query(text)
                    .bind(started.epoch)
                    .bind(run.job.to_string())
                    .bind(run.run)
                    .bind(run.claim)
                    .execute(&mut *connection)
                    .await?;
            }
        }
        Event::Stopped(_) => set(connection, fact, "started = 0").await?,
        Event::Lost(_) => set(connection, fact, "started = 0, lost = 1").await?,
        Event::Draining(_) => set(connection, fact, "draining = 1").await?,
        Event::Undrained(_) => set(connection, fact, "draining = 0").await?,
    }
    Ok(())
}

/// `columns` is a constant of this module.
async fn set(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    columns: &str,
) -> Result<(), Error> {
    let text = format!("UPDATE executors SET {columns}, updated_on = ? WHERE id = ?");
    sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(&fact.time)
        .bind(fact.aggregate)
        .execute(connection)
        .await?;
    Ok(())
}
