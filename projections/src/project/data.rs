//! Data resources and their versions.

use eai_core::data::{Created, Event, Pushed};
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};
use crate::checkpoint::number;

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    match event {
        Event::Created(created) => create(connection, fact, &created).await,
        Event::Pushed(pushed) => push(connection, fact, &pushed).await,
    }
}

async fn create(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    created: &Created,
) -> Result<(), Error> {
    let text = "INSERT OR IGNORE INTO data (id, name, account, version, files, bytes, created_on, \
                created_by, updated_on, sequence) VALUES (?, ?, ?, 0, 0, 0, ?, ?, ?, ?)";
    sqlx::query(text)
        .bind(created.id.to_string())
        .bind(created.name.as_str())
        .bind(fact.account)
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(&fact.time)
        .bind(fact.sequence)
        .execute(connection)
        .await?;
    Ok(())
}

async fn push(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    pushed: &Pushed,
) -> Result<(), Error> {
    let text = "INSERT OR IGNORE INTO versions (data, version, manifest, files, bytes, created_on, \
                created_by, sequence) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(text)
        .bind(fact.aggregate)
        .bind(number(pushed.version))
        .bind(pushed.manifest.to_string())
        .bind(number(pushed.files))
        .bind(number(pushed.bytes))
        .bind(&fact.time)
        .bind(fact.actor)
        .bind(fact.sequence)
        .execute(&mut *connection)
        .await?;
    let text = "UPDATE data SET version = ?, manifest = ?, files = ?, bytes = ?, updated_on = ? WHERE id = ?";
    sqlx::query(text)
        .bind(number(pushed.version))
        .bind(pushed.manifest.to_string())
        .bind(number(pushed.files))
        .bind(number(pushed.bytes))
        .bind(&fact.time)
        .bind(fact.aggregate)
        .execute(connection)
        .await?;
    Ok(())
}
