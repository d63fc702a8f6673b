//! Who holds which roles, in memory: what tokens and keys are worth is known at once, and so is what is revoked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Live;
use crate::access::{Grant, Grants, Place, Policy};
use crate::account;
use crate::digest::Digest;
use crate::ids::{KeyId, OrganizationId, RoleId, UserId};
use crate::names::{AccountName, Name};
use crate::role;

/// A role at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRole {
    /// Its id.
    pub id: RoleId,
    /// Where it lives.
    pub account: AccountName,
    /// What it allows.
    pub policies: Vec<Policy>,
    /// The users that hold it.
    pub members: Vec<UserId>,
    /// The keys that hold it, by id and hash.
    pub keys: Vec<(KeyId, Digest)>,
}

/// Whoever acts with a token or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user: all roles that it is a member of.
    User(UserId),
    /// A key, or a job: one role.
    Role(RoleId),
}

impl Live {
    /// Counts what changed about who may do what: what was read before may be old once this is another number.
    pub fn access_version(&self) -> u64 {
        self.inner.access.load(Ordering::Acquire)
    }

    /// A role.
    pub fn role(&self, id: RoleId) -> Option<Arc<LiveRole>> {
        self.inner.roles.pin().get(&id).cloned()
    }

    /// The key with this hash, and the role that it holds.
    pub fn key(&self, hash: &Digest) -> Option<(KeyId, Arc<LiveRole>)> {
        let role = *self.inner.keys.pin().get(hash)?;
        let role = self.role(role)?;
        let id = role.keys.iter().find(|(_, known)| known == hash)?.0;
        Some((id, role))
    }

    /// The last second whose tokens of a user are good no more.
    pub fn revoked_before(&self, user: UserId) -> Option<i64> {
        self.inner.revoked.pin().get(&user).copied()
    }

    /// What somebody may do in an account and below it.
    pub fn grants(&self, holder: Holder, account: &AccountName) -> Grants {
        let roles: Vec<Arc<LiveRole>> = match holder {
            Holder::Role(id) => self.role(id).into_iter().collect(),
            Holder::User(user) => {
                let held = self.inner.held.pin().get(&user).cloned();
                let held = held.unwrap_or_default();
                held.iter().filter_map(|id| self.role(*id)).collect()
            }
        };
        // A token speaks for one account: a role of another one is nothing to it.
        let home = Place {
            account: account.clone(),
            ids: None,
        };
        let inside = roles.iter().filter(|role| home.holds(&role.account));
        Grants::new(inside.map(|role| self.grant(role)).collect())
    }

    fn grant(&self, role: &LiveRole) -> Grant {
        let organization = role.account.organization();
        let organization = self.inner.organizations.pin().get(&organization).copied();
        Grant {
            place: Place {
                account: role.account.clone(),
                ids: organization.zip(self.account(&role.account)),
            },
            policies: role.policies.clone(),
        }
    }

    pub(super) fn load_access(
        &self,
        roles: Vec<LiveRole>,
        revoked: Vec<(UserId, i64)>,
        organizations: Vec<(Name, OrganizationId)>,
    ) {
        for role in roles {
            let keys = self.inner.keys.pin();
            for (_, hash) in &role.keys {
                keys.insert(*hash, role.id);
            }
            for user in &role.members {
                self.hold(*user, role.id);
            }
            self.inner.roles.pin().insert(role.id, Arc::new(role));
        }
        for (user, before) in revoked {
            self.inner.revoked.pin().insert(user, before);
        }
        for (name, id) in organizations {
            self.inner.organizations.pin().insert(name, id);
        }
    }

    pub(super) fn account_event(&self, event: account::Event) {
        match event {
            account::Event::Created(created) => {
                let organization = created.full_name.organization();
                let organizations = self.inner.organizations.pin();
                organizations.insert(organization, created.organization_id);
                let accounts = self.inner.accounts.pin();
                accounts.insert(created.full_name, created.id);
                self.access_changed();
            }
            account::Event::UserAdded(_)
            | account::Event::MonitorAdded(_)
            | account::Event::MonitorRevoked(_) => {}
            account::Event::TokensRevoked(revoked) => {
                let users = self.inner.revoked.pin();
                users.insert(revoked.user, revoked.before);
                self.access_changed();
            }
        }
    }

    pub(super) fn role_event(&self, id: RoleId, account: AccountName, event: role::Event) {
        use role::Event;
        if let Event::Created(created) = event {
            // Nobody holds it yet.
            let role = LiveRole {
                id,
                account,
                policies: created.policies,
                members: Vec::new(),
                keys: Vec::new(),
            };
            self.inner.roles.pin().insert(id, Arc::new(role));
            return;
        }
        let Some(role) = self.role(id) else {
            return;
        };
        let mut role = LiveRole::clone(&role);
        match event {
            Event::Created(_) => {}
            Event::MemberAdded(added) => {
                role.members.push(added.user);
                self.hold(added.user, id);
            }
            Event::MemberRemoved(removed) => {
                role.members.retain(|user| *user != removed.user);
                self.hold_no_more(removed.user, id);
            }
            Event::PolicyAdded(added) => role.policies.push(added.policy),
            Event::PolicyRemoved(removed) => {
                role.policies.retain(|had| *had != removed.policy);
            }
            Event::KeyAdded(added) => {
                role.keys.push((added.id, added.hash));
                self.inner.keys.pin().insert(added.hash, id);
            }
            Event::KeyRevoked(revoked) => {
                let gone = role.keys.iter().find(|(key, _)| *key == revoked.id);
                if let Some((_, hash)) = gone {
                    self.inner.keys.pin().remove(hash);
                }
                role.keys.retain(|(key, _)| *key != revoked.id);
            }
        }
        self.inner.roles.pin().insert(id, Arc::new(role));
        self.access_changed();
    }

    fn hold(&self, user: UserId, role: RoleId) {
        let held = self.inner.held.pin();
        let mut roles = held.get(&user).cloned().unwrap_or_default();
        if !roles.contains(&role) {
            roles.push(role);
        }
        held.insert(user, roles);
    }

    fn hold_no_more(&self, user: UserId, role: RoleId) {
        let held = self.inner.held.pin();
        let mut roles = held.get(&user).cloned().unwrap_or_default();
        roles.retain(|had| *had != role);
        held.insert(user, roles);
    }

    /// Told last: whoever reads the number first reads what is at least as new.
    fn access_changed(&self) {
        self.inner.access.fetch_add(1, Ordering::Release);
    }
}
