//! Services and their status.

use eai_core::service::{Event, Status};
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact, rollout};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    rollout::apply(connection, fact, &event).await?;
    let status = match event {
        Event::Created(created) => {
            let text = "INSERT OR IGNORE INTO services (id, name, account, runtime_id, runtime, role_id, \
                        role, status, public, queue, created_on, created_by, updated_on, sequence) \
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            sqlx::query(text)
                .bind(created.id.to_string())
                .bind(created.name.as_str())
                .bind(fact.account)
                .bind(created.runtime.id.to_string())
                .bind(created.runtime.full_name.to_string())
                .bind(created.role.id.to_string())
                .bind(created.role.full_name.to_string())
                .bind(created.status.to_string())
                .bind(created.public)
                .bind(
                    created
                        .queue
                        .and_then(|queue| serde_json::to_string(&queue).ok()),
                )
                .bind(&fact.time)
                .bind(fact.actor)
                .bind(&fact.time)
                .bind(fact.sequence)
                .execute(connection)
                .await?;
            return Ok(());
        }
        Event::Started(_) => Status::On,
        Event::Stopped(_) => Status::Off,
        Event::Deactivated(_) => Status::Deactivated,
        Event::Deleted(_) => Status::Deleted,
        Event::Reactivated(reactivated) => reactivated.status,
        Event::Scaled(scaled) => {
            let text = "UPDATE services SET queue = json_set(queue, '$.workers', ?), updated_on = ? WHERE id = ?";
            sqlx::query(text)
                .bind(scaled.workers)
                .bind(&fact.time)
                .bind(fact.aggregate)
                .execute(connection)
                .await?;
            return Ok(());
        }
        // Jobs and workers tell their own story.
        Event::Activated(_)
        | Event::HealthChanged(_)
        | Event::Revised(_)
        | Event::Restarted(_)
        | Event::Switched(_)
        | Event::Draining(_)
        | Event::Drained(_)
        | Event::JobEnded(_) => return Ok(()),
    };
    sqlx::query("UPDATE services SET status = ?, updated_on = ? WHERE id = ?")
        .bind(status.to_string())
        .bind(&fact.time)
        .bind(fact.aggregate)
        .execute(connection)
        .await?;
    Ok(())
}
