//! Roles and who holds them.

use eai_core::role::Event;
use sqlx::sqlite::SqliteConnection;

use super::{Error, Fact};

pub(super) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
    event: Event,
) -> Result<(), Error> {
    match event {
        Event::Created(created) => {
            let policies: Vec<String> = created.policies.iter().map(ToString::to_string).collect();
            let text = "INSERT OR IGNORE INTO roles (id, name, account, policies, created_on, sequence) \
                        VALUES (?, ?, ?, ?, ?, ?)";
            sqlx::query(text)
                .bind(created.id.to_string())
                .bind(created.name.as_str())
                .bind(fact.account)
                .bind(serde_json::Value::from(policies).to_string())
                .bind(&fact.time)
                .bind(fact.sequence)
                .execute(connection)
                .await?;
        }
        Event::MemberAdded(added) => {
            let text = "INSERT OR IGNORE INTO role_members (role, user, sequence) VALUES (?, ?, ?)";
            sqlx::query(text)
                .bind(fact.aggregate)
                .bind(added.user.to_string())
                .bind(fact.sequence)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}
