//! Accounts, their organizations, their users, and who watches them.

use eai_core::account::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    match event {
        Event::Created(created) => {
            let organization = "INSERT OR IGNORE INTO organizations (id, name, created_on, sequence) VALUES (?, ?, ?, ?)";
            sqlx::query(organization)
                .bind(created.organization_id.to_string())
                .bind(created.full_name.organization().to_string())
                .bind(&fact.time)
                .bind(fact.sequence)
                .execute(&mut *connection)
                .await?;
            let account = "INSERT OR IGNORE INTO accounts \
                (id, full_name, organization_id, created_on, sequence) VALUES (?, ?, ?, ?, ?)";
            sqlx::query(account)
                .bind(created.id.to_string())
                .bind(created.full_name.as_str())
                .bind(created.organization_id.to_string())
                .bind(&fact.time)
                .bind(fact.sequence)
                .execute(connection)
                .await?;
        }
        Event::UserAdded(added) => {
            let text =
                "INSERT OR IGNORE INTO users (id, name, account, sequence) VALUES (?, ?, ?, ?)";
            sqlx::query(text)
                .bind(added.id.to_string())
                .bind(added.name.as_str())
                .bind(fact.account)
                .bind(fact.sequence)
                .execute(connection)
                .await?;
        }
        Event::MonitorAdded(added) => {
            let text = "INSERT OR IGNORE INTO monitors \
                (id, name, account, key, created_on, created_by, sequence) VALUES (?, ?, ?, ?, ?, ?, ?)";
            sqlx::query(text)
                .bind(added.id.to_string())
                .bind(added.name.as_str())
                .bind(fact.account)
                .bind(added.key)
                .bind(&fact.time)
                .bind(fact.actor)
                .bind(fact.sequence)
                .execute(connection)
                .await?;
        }
        Event::MonitorRevoked(revoked) => {
            sqlx::query("UPDATE monitors SET revoked_on = ? WHERE id = ?")
                .bind(&fact.time)
                .bind(revoked.id.to_string())
                .execute(connection)
                .await?;
        }
        Event::TokensRevoked(revoked) => {
            sqlx::query("UPDATE users SET revoked_before = ? WHERE id = ?")
                .bind(revoked.before)
                .bind(revoked.user.to_string())
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}
