//! Data resources.

use eai_core::data::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    let Event::Created(created) = event;
    let text = "INSERT OR IGNORE INTO data (id, name, account, created_on, created_by, sequence) \
                VALUES (?, ?, ?, ?, ?, ?)";
    sqlx::query(text)
        .bind(created.id.to_string())
        .bind(created.name.as_str())
        .bind(fact.account)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence)
        .execute(connection)
        .await?;
    Ok(())
}
