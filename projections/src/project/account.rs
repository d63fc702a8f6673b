//! Accounts, their organizations, their users, and who watches them.

use eai_core::account::Event;

use super::{Fact, Writes};

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Created(created) => {
            let organization = "INSERT OR IGNORE INTO organizations (id, name, created_on, sequence) VALUES (?, ?, ?, ?)";
            writes
                .add(organization)
                .bind(created.organization_id.to_string())
                .bind(created.full_name.organization().to_string())
                .bind(&fact.time)
                .bind(fact.sequence);
            let account = "INSERT OR IGNORE INTO accounts \
                (id, full_name, organization_id, created_on, sequence) VALUES (?, ?, ?, ?, ?)";
            writes
                .add(account)
                .bind(created.id.to_string())
                .bind(created.full_name.as_str())
                .bind(created.organization_id.to_string())
                .bind(&fact.time)
                .bind(fact.sequence);
        }
        Event::UserAdded(added) => {
            let text =
                "INSERT OR IGNORE INTO users (id, name, account, sequence) VALUES (?, ?, ?, ?)";
            writes
                .add(text)
                .bind(added.id.to_string())
                .bind(added.name.as_str())
                .bind(fact.account)
                .bind(fact.sequence);
        }
        Event::MonitorAdded(added) => {
            let text = "INSERT OR IGNORE INTO monitors \
                (id, name, account, key, created_on, created_by, sequence) VALUES (?, ?, ?, ?, ?, ?, ?)";
            writes
                .add(text)
                .bind(added.id.to_string())
                .bind(added.name.as_str())
                .bind(fact.account)
                .bind(&added.key)
                .bind(&fact.time)
                .bind(fact.actor)
                .bind(fact.sequence);
        }
        Event::MonitorRevoked(revoked) => {
            writes
                .add("UPDATE monitors SET revoked_on = ? WHERE id = ?")
                .bind(&fact.time)
                .bind(revoked.id.to_string());
        }
        Event::TokensRevoked(revoked) => {
            writes
                .add("UPDATE users SET revoked_before = ? WHERE id = ?")
                .bind(revoked.before)
                .bind(revoked.user.to_string());
        }
    }
}
