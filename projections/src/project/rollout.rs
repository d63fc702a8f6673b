//! The revisions of services: what there were, which one serves, and which runs are on their way out.

use eai_core::job::Configuration;
use eai_core::service::{Event, JobEnded, Restarted, Revised, Switched};
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: &Event,
) -> Result<(), Error> {
    match event {
        Event::Revised(revised) => revise(connection, fact, revised).await,
        Event::Restarted(restarted) => restart(connection, fact, restarted).await,
        Event::Started(_) => try_again(connection, fact).await,
        Event::Switched(switched) => switch(connection, fact, switched).await,
        Event::Draining(draining) => {
            let run = (draining.job.to_string(), draining.run);
            serve_no_more(connection, fact, &run).await?;
            let is_it = "id = ?4 AND run = ?5";
            leave(connection, fact, draining.drain_ms, run, is_it).await
        }
        Event::Drained(drained) => {
            let text = "UPDATE leaving SET done = 1 WHERE service_id = ? AND job = ? AND run = ?";
            sqlx::query(text)
                .bind(fact.aggregate)
                .bind(drained.job.to_string())
                .bind(drained.run)
                .execute(connection)
                .await?;
            Ok(())
        }
        Event::JobEnded(ended) => end(connection, fact, ended).await,
        Event::Stopped(stopped) if stopped.keep_workers => Ok(()),
        Event::Stopped(_) | Event::Deactivated(_) | Event::Deleted(_) => {
            let text = "UPDATE services SET serving_job = NULL, serving_run = NULL, serving_revision = NULL \
                        WHERE id = ?";
            sqlx::query(text)
                .bind(fact.aggregate)
                .execute(&mut *connection)
                .await?;
            sqlx::query("DELETE FROM leaving WHERE service_id = ?")
                .bind(fact.aggregate)
                .execute(connection)
                .await?;
            Ok(())
        }
        // They are told apart by [`super::replicas`].
        Event::Created(_)
        | Event::Joined(_)
        | Event::Resized(_)
        | Event::Reactivated(_)
        | Event::Activated(_)
        | Event::Scaled(_)
        | Event::DeadLettered(_)
        | Event::HealthChanged(_)
        | Event::Configured(_)
        | Event::Quiet(_)
        | Event::Busy(_)
        | Event::GaveUp(_) => Ok(()),
    }
}

async fn revise(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    revised: &Revised,
) -> Result<(), Error> {
    let key = revised.key.to_string();
    let text = "UPDATE services SET revision = ?, config_key = ?, desired_key = ?, failed_revision = NULL, \
                failed_job = NULL, gave_up = NULL, updated_on = ? WHERE id = ?";
    sqlx::query(text)
        .bind(revised.revision)
        .bind(&key)
        .bind(&key)
        .bind(&fact.time)
        .bind(fact.aggregate)
        .execute(&mut *connection)
        .await?;
    let configuration: &Configuration = &revised.configuration;
    let configuration = serde_json::to_string(configuration);
    let text = "INSERT OR IGNORE INTO revisions (service_id, revision, config_key, configuration, created_on, \
                created_by, sequence) VALUES (?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(text)
        .bind(fact.aggregate)
        .bind(revised.revision)
        .bind(key)
        .bind(configuration.map_err(|error| Error::Row(error.to_string()))?)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence)
        .execute(connection)
        .await?;
    Ok(())
}

/// The same again, under another number.
async fn restart(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    restarted: &Restarted,
) -> Result<(), Error> {
    let text = "INSERT OR IGNORE INTO revisions (service_id, revision, config_key, configuration, created_on, \
                created_by, sequence) SELECT service_id, ?1, config_key, configuration, ?2, ?3, ?4 FROM revisions \
                WHERE service_id = ?5 AND revision = (SELECT revision FROM services WHERE id = ?5)";
    sqlx::query(text)
        .bind(restarted.revision)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence)
        .bind(fact.aggregate)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE services SET revision = ?, updated_on = ? WHERE id = ?")
        .bind(restarted.revision)
        .bind(&fact.time)
        .bind(fact.aggregate)
        .execute(&mut *connection)
        .await?;
    try_again(connection, fact).await
}

/// What failed is held against it no more.
async fn try_again(connection: &mut SqliteConnection, fact: &Fact<'_>) -> Result<(), Error> {
    let text = "UPDATE services SET failed_revision = NULL, failed_job = NULL, gave_up = NULL, \
                config_key = COALESCE(desired_key, config_key) WHERE id = ?";
    sqlx::query(text)
        .bind(fact.aggregate)
        .execute(connection)
        .await?;
    Ok(())
}

async fn switch(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    switched: &Switched,
) -> Result<(), Error> {
    let text = "UPDATE services SET serving_job = ?1, serving_run = ?2, \
                serving_revision = COALESCE(?3, (SELECT revision FROM jobs WHERE id = ?1)), \
                served_key = CASE WHEN (SELECT config_key FROM jobs WHERE id = ?1) = config_key \
                THEN config_key ELSE served_key END WHERE id = ?4";
    sqlx::query(text)
        .bind(switched.job.to_string())
        .bind(switched.run)
        .bind(switched.revision)
        .bind(fact.aggregate)
        .execute(&mut *connection)
        .await?;
    let Some(drain_ms) = switched.drain_ms else {
        return Ok(());
    };
    let others = "service_id = ?1 AND NOT (id = ?4 AND run = ?5) \
                  AND state IN ('QUEUING', 'QUEUED', 'RUNNING', 'CANCELLING')";
    let run = (switched.job.to_string(), switched.run);
    leave(connection, fact, drain_ms, run, others).await
}

/// If it was this run that requests go to, there is none now.
async fn serve_no_more(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    (job, run): &(String, u32),
) -> Result<(), Error> {
    let text = "UPDATE services SET serving_job = NULL, serving_run = NULL, serving_revision = NULL \
                WHERE id = ? AND serving_job = ? AND serving_run = ?";
    sqlx::query(text)
        .bind(fact.aggregate)
        .bind(job)
        .bind(run)
        .execute(connection)
        .await?;
    Ok(())
}

/// Those of the jobs leave; the condition is a constant of this module.
async fn leave(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    drain_ms: u64,
    (job, run): (String, u32),
    condition: &str,
) -> Result<(), Error> {
    let text = format!(
        "INSERT OR IGNORE INTO leaving (service_id, job, run, until, done) \
         SELECT ?1, id, run, COALESCE(?2, ?3), 0 FROM jobs WHERE {condition}"
    );
    sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(fact.aggregate)
        .bind(fact.later(drain_ms))
        .bind(&fact.time)
        .bind(job)
        .bind(run)
        .execute(connection)
        .await?;
    Ok(())
}

async fn end(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    ended: &JobEnded,
) -> Result<(), Error> {
    let run = (ended.job.to_string(), ended.run);
    let text = "DELETE FROM leaving WHERE service_id = ? AND job = ? AND run = ?";
    sqlx::query(text)
        .bind(fact.aggregate)
        .bind(&run.0)
        .bind(run.1)
        .execute(&mut *connection)
        .await?;
    serve_no_more(connection, fact, &run).await?;
    if let Some(revision) = ended.failed_revision {
        let text = "UPDATE services SET failed_revision = ?, failed_job = ?, \
                    config_key = COALESCE(served_key, config_key) WHERE id = ?";
        sqlx::query(text)
            .bind(revision)
            .bind(run.0)
            .bind(fact.aggregate)
            .execute(connection)
            .await?;
    }
    Ok(())
}
