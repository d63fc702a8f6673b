//! Executors, and which of the runs they hold go on in their newest epoch.

use eai_core::executor::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    match event {
        Event::Started(started) => {
            let text = "INSERT INTO executors (id, account, epoch, backend, started, sequence) \
                        VALUES (?, ?, ?, ?, 1, ?) \
                        ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, backend = excluded.backend, started = 1";
            sqlx::query(text)
                .bind(started.id.to_string())
                .bind(fact.account)
                .bind(started.epoch)
                .bind(&started.backend)
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
        Event::Stopped(_) => {
            sqlx::query("UPDATE executors SET started = 0 WHERE id = ?")
                .bind(fact.aggregate)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}
