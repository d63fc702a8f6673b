//! The replicas of services: how many are asked for, and which runs take requests beside the one that serves.

use eai_core::ids::JobId;
use eai_core::service::{Event, Joined, Terms};
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

/// What is folded after the run that serves is known.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: &Event,
) -> Result<(), Error> {
    match event {
        Event::Resized(resized) => ask_for(connection, fact, Some(resized.replicas)).await,
        Event::Joined(joined) => {
            join(&mut *connection, fact, joined).await?;
            take_place(connection, fact).await
        }
        Event::Draining(left) => leave(connection, fact, left.job, left.run).await,
        Event::JobEnded(ended) => leave(connection, fact, ended.job, ended.run).await,
        Event::Switched(_) => forget(connection, fact).await,
        Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
            forget(&mut *connection, fact).await?;
            ask_for(connection, fact, None).await
        }
        _ => Ok(()),
    }
}

/// How many replicas a service may have; nothing where that is one.
pub(super) fn json(terms: Terms) -> Option<String> {
    let many = Some(terms.replicas).filter(|replicas| !replicas.is_usual());
    many.and_then(|replicas| serde_json::to_string(&replicas).ok())
}

async fn ask_for(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    replicas: Option<u32>,
) -> Result<(), Error> {
    sqlx::query("UPDATE services SET asked = ? WHERE id = ?")
        .bind(replicas)
        .bind(fact.aggregate)
        .execute(connection)
        .await?;
    Ok(())
}

async fn join(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    joined: &Joined,
) -> Result<(), Error> {
    let text = "INSERT OR IGNORE INTO joined (service_id, job, run, revision, sequence) \
                VALUES (?, ?, ?, ?, ?)";
    sqlx::query(text)
        .bind(fact.aggregate)
        .bind(joined.job.to_string())
        .bind(joined.run)
        .bind(joined.revision)
        .bind(fact.sequence)
        .execute(connection)
        .await?;
    Ok(())
}

async fn leave(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    job: JobId,
    run: u32,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM joined WHERE service_id = ? AND job = ? AND run = ?")
        .bind(fact.aggregate)
        .bind(job.to_string())
        .bind(run)
        .execute(&mut *connection)
        .await?;
    take_place(connection, fact).await
}

async fn forget(connection: &mut SqliteConnection, fact: &Fact<'_>) -> Result<(), Error> {
    sqlx::query("DELETE FROM joined WHERE service_id = ?")
        .bind(fact.aggregate)
        .execute(connection)
        .await?;
    Ok(())
}

/// Where none serves, the one does that joined first.
async fn take_place(connection: &mut SqliteConnection, fact: &Fact<'_>) -> Result<(), Error> {
    let text = "UPDATE services SET (serving_job, serving_run, serving_revision) = \
                (SELECT job, run, revision FROM joined WHERE service_id = ?1 ORDER BY sequence LIMIT 1) \
                WHERE id = ?1 AND serving_job IS NULL \
                AND EXISTS (SELECT 1 FROM joined WHERE service_id = ?1)";
    let taken = sqlx::query(text)
        .bind(fact.aggregate)
        .execute(&mut *connection)
        .await?;
    if taken.rows_affected() > 0 {
        let text = "DELETE FROM joined WHERE service_id = ?1 AND job = \
                    (SELECT serving_job FROM services WHERE id = ?1)";
        sqlx::query(text)
            .bind(fact.aggregate)
            .execute(connection)
            .await?;
    }
    Ok(())
}
