//! Roles: what they allow, and who holds them.

use eai_core::role::Event;

use super::{Fact, Writes};

pub(super) fn apply(writes: &mut Writes, fact: &Fact<'_>, event: &Event) {
    match event {
        Event::Created(created) => {
            let policies: Vec<String> = created.policies.iter().map(ToString::to_string).collect();
            let text = "INSERT OR IGNORE INTO roles (id, name, account, policies, created_on, sequence) \
                        VALUES (?, ?, ?, ?, ?, ?)";
            writes
                .add(text)
                .bind(created.id.to_string())
                .bind(created.name.as_str().to_owned())
                .bind(fact.account)
                .bind(serde_json::Value::from(policies).to_string())
                .bind(&fact.time)
                .bind(fact.sequence);
        }
        Event::MemberAdded(added) => {
            let text = "INSERT OR IGNORE INTO role_members (role, user, sequence) VALUES (?, ?, ?)";
            writes
                .add(text)
                .bind(fact.aggregate)
                .bind(added.user.to_string())
                .bind(fact.sequence);
        }
        Event::MemberRemoved(removed) => {
            writes
                .add("DELETE FROM role_members WHERE role = ? AND user = ?")
                .bind(fact.aggregate)
                .bind(removed.user.to_string());
        }
        Event::PolicyAdded(added) => {
            let text = "UPDATE roles SET policies = json_insert(policies, '$[#]', ?) WHERE id = ?";
            writes
                .add(text)
                .bind(added.policy.to_string())
                .bind(fact.aggregate);
        }
        Event::PolicyRemoved(removed) => {
            let text = "UPDATE roles SET policies = (SELECT json_group_array(value) FROM \
                        (SELECT value FROM json_each(policies) WHERE value <> ? ORDER BY key)) WHERE id = ?";
            writes
                .add(text)
                .bind(removed.policy.to_string())
                .bind(fact.aggregate);
        }
        Event::KeyAdded(added) => {
            let text = "INSERT OR IGNORE INTO role_keys (id, role, hash, created_on, created_by, sequence) \
                        VALUES (?, ?, ?, ?, ?, ?)";
            writes
                .add(text)
                .bind(added.id.to_string())
                .bind(fact.aggregate)
                .bind(added.hash.to_string())
                .bind(&fact.time)
                .bind(fact.actor)
                .bind(fact.sequence);
        }
        Event::KeyRevoked(revoked) => {
            writes
                .add("UPDATE role_keys SET revoked_on = ? WHERE id = ?")
                .bind(&fact.time)
                .bind(revoked.id.to_string());
        }
    }
}
