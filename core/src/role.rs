//! The aggregate `role`: policies `type:verb@resource`, and the users and keys that hold them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::command::{AnyPart, Part};
use crate::digest::Digest;
use crate::ids::{KeyId, RoleId, UserId};
use crate::name;
use crate::names::{FullName, Name};

pub use crate::access::{BadPolicy, Policy};

/// The most policies that a role is made with: its first event holds them all.
pub const MOST_AT_FIRST: usize = 32;
/// The most policies, members or keys of a role.
pub const MOST: usize = 256;

/// A role.
#[derive(Debug)]
pub struct RoleAggregate;

/// What a role is, once it was made.
pub type State = Option<Role>;

/// A role that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// How it was made.
    pub created: Created,
    /// What it allows now.
    pub policies: Vec<Policy>,
    /// Who holds it, in order of joining.
    pub members: Vec<UserId>,
    /// The keys that hold it, oldest first.
    pub keys: Vec<KeyAdded>,
    /// The keys that held it once.
    pub revoked: Vec<KeyId>,
}

/// What may be asked of a role.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Let a user hold it.
    AddMember(MemberAdded),
    /// Let a user hold it no more.
    RemoveMember(MemberRemoved),
    /// Let it allow more.
    AddPolicy(PolicyAdded),
    /// Let it allow less.
    RemovePolicy(PolicyRemoved),
    /// Let a key hold it.
    AddKey(KeyAdded),
    /// Let a key hold it no more.
    RevokeKey(KeyRevoked),
}

/// A role was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Its id.
    pub id: RoleId,
    /// Its name in the account.
    pub name: Name,
    /// What it allows.
    pub policies: Vec<Policy>,
}

/// A user holds the role from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberAdded {
    /// The user.
    pub user: UserId,
}

/// A user holds the role no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberRemoved {
    /// The user.
    pub user: UserId,
}

/// The role allows more from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyAdded {
    /// What it allows.
    pub policy: Policy,
}

/// The role allows less from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRemoved {
    /// What it allowed.
    pub policy: Policy,
}

/// A key holds the role from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyAdded {
    /// The key's id.
    pub id: KeyId,
    /// SHA-256 of the key: the key itself is nowhere.
    pub hash: Digest,
}

/// A key holds the role no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyRevoked {
    /// The key's id.
    pub id: KeyId,
}

events! {
    /// What can happen to a role.
    pub enum Event {
        /// A role was made.
        Created(Created) = "created" 1,
        /// A user holds the role from now on.
        MemberAdded(MemberAdded) = "member_added" 1,
        /// A user holds the role no more.
        MemberRemoved(MemberRemoved) = "member_removed" 1,
        /// The role allows more.
        PolicyAdded(PolicyAdded) = "policy_added" 1,
        /// The role allows less.
        PolicyRemoved(PolicyRemoved) = "policy_removed" 1,
        /// A key holds the role from now on.
        KeyAdded(KeyAdded) = "key_added" 1,
        /// A key holds the role no more.
        KeyRevoked(KeyRevoked) = "key_revoked" 1,
    }
}

/// The command that makes a role and takes its name.
pub fn create(id: RoleId, full_name: &FullName, policies: Vec<Policy>) -> Vec<Box<dyn AnyPart>> {
    let created = Created {
        id,
        name: full_name.name.clone(),
        policies,
    };
    let account = full_name.account.clone();
    vec![
        name::reserve(RoleAggregate::KIND, full_name, id.0),
        Part::<RoleAggregate>::new(account, id, Command::Create(created)).boxed(),
    ]
}

impl Aggregate for RoleAggregate {
    const KIND: &'static str = "role";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let role = match (command, state) {
            (Command::Create(created), None) if created.policies.len() > MOST_AT_FIRST => {
                return Err(too_many("policies at first", MOST_AT_FIRST));
            }
            (Command::Create(created), None) => return Ok(vec![Event::Created(created.clone())]),
            (Command::Create(_), Some(_)) => return Err(Refusal::exists("role")),
            (_, None) => return Err(Refusal::not_found("there is no such role")),
            (_, Some(role)) => role,
        };
        let room = |count: usize, what| {
            (count < MOST)
                .then_some(())
                .ok_or_else(|| too_many(what, MOST))
        };
        match command {
            Command::AddMember(added) if !role.members.contains(&added.user) => {
                room(role.members.len(), "members")?;
                Ok(vec![Event::MemberAdded(added.clone())])
            }
            Command::RemoveMember(removed) if role.members.contains(&removed.user) => {
                Ok(vec![Event::MemberRemoved(removed.clone())])
            }
            Command::AddPolicy(added) if !role.policies.contains(&added.policy) => {
                room(role.policies.len(), "policies")?;
                Ok(vec![Event::PolicyAdded(added.clone())])
            }
            Command::RemovePolicy(removed) if role.policies.contains(&removed.policy) => {
                Ok(vec![Event::PolicyRemoved(removed.clone())])
            }
            Command::RemovePolicy(removed) => Err(Refusal::not_found(format!(
                "the role has no policy `{}`: `eai role policy ls` lists what it has",
                removed.policy
            ))),
            // A revoked key never comes back, whoever repeats the command that made it.
            Command::AddKey(added) if role.revoked.contains(&added.id) => Err(Refusal::conflict(
                "conflict",
                "this key was revoked: make another one",
            )),
            Command::AddKey(added) if role.keys.iter().all(|key| key.id != added.id) => {
                room(role.keys.len() + role.revoked.len(), "keys")?;
                Ok(vec![Event::KeyAdded(added.clone())])
            }
            Command::RevokeKey(revoked) if role.keys.iter().any(|key| key.id == revoked.id) => {
                Ok(vec![Event::KeyRevoked(revoked.clone())])
            }
            Command::RevokeKey(revoked) if !role.revoked.contains(&revoked.id) => {
                Err(Refusal::not_found(format!(
                    "the role has no key `{}`: `eai role key ls` lists what it has",
                    revoked.id
                )))
            }
            _ => Ok(vec![]),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        if let Event::Created(created) = event {
            return Some(Role {
                policies: created.policies.clone(),
                created: created.clone(),
                members: Vec::new(),
                keys: Vec::new(),
                revoked: Vec::new(),
            });
        }
        let mut role = state?;
        match event {
            Event::Created(_) => {}
            Event::MemberAdded(added) => role.members.push(added.user),
            Event::MemberRemoved(removed) => role.members.retain(|user| *user != removed.user),
            Event::PolicyAdded(added) => role.policies.push(added.policy.clone()),
            Event::PolicyRemoved(removed) => role.policies.retain(|had| *had != removed.policy),
            Event::KeyAdded(added) => role.keys.push(added.clone()),
            Event::KeyRevoked(revoked) => {
                role.keys.retain(|key| key.id != revoked.id);
                role.revoked.push(revoked.id);
            }
        }
        Some(role)
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Create(_) => "created",
            Command::AddMember(_) => "member_added",
            Command::RemoveMember(_) => "member_removed",
            Command::AddPolicy(_) => "policy_added",
            Command::RemovePolicy(_) => "policy_removed",
            Command::AddKey(_) => "key_added",
            Command::RevokeKey(_) => "key_revoked",
        }
    }
}

fn too_many(what: &str, most: usize) -> Refusal {
    let text = format!("a role has at most {most} {what}: make another role");
    Refusal::invalid("bad-role", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;
    use uuid::Uuid;

    fn created() -> Created {
        let policies = vec!["service:*@snow.testacc.*".parse().unwrap()];
        Created {
            id: RoleId(Uuid::from_u128(1)),
            name: "admin".parse().unwrap(),
            policies,
        }
    }

    fn added(user: u128) -> MemberAdded {
        MemberAdded {
            user: UserId(Uuid::from_u128(user)),
        }
    }

    #[test]
    fn a_role_is_made_once() {
        let create = Command::Create(created());
        assert_eq!(
            when::<RoleAggregate>(&[], &create),
            Ok(vec![Event::Created(created())])
        );
        let again = when::<RoleAggregate>(&[Event::Created(created())], &create);
        assert_eq!(again.unwrap_err().code, "conflict");
    }

    #[test]
    fn a_user_joins_a_role_once() {
        let ask = |given: &[Event]| when::<RoleAggregate>(given, &Command::AddMember(added(2)));
        assert_eq!(ask(&[]).unwrap_err().code, "not-found");
        let made = Event::Created(created());
        let joined = Event::MemberAdded(added(2));
        assert_eq!(ask(std::slice::from_ref(&made)), Ok(vec![joined.clone()]));
        assert_eq!(ask(&[made, joined]), Ok(vec![]));
    }

    fn policy(text: &str) -> Policy {
        text.parse().unwrap()
    }

    fn key(id: u128) -> KeyAdded {
        KeyAdded {
            id: KeyId(Uuid::from_u128(id)),
            hash: Digest::of(b"secret"),
        }
    }

    #[test]
    fn what_is_given_can_be_taken_again() {
        let made = Event::Created(created());
        let more = PolicyAdded {
            policy: policy("job:get@snow.testacc.*"),
        };
        let removed = PolicyRemoved {
            policy: more.policy.clone(),
        };
        let given = [made.clone(), Event::PolicyAdded(more.clone())];
        let add = Command::AddPolicy(more.clone());
        assert_eq!(
            when::<RoleAggregate>(&given[..1], &add),
            Ok(vec![Event::PolicyAdded(more)])
        );
        assert_eq!(when::<RoleAggregate>(&given, &add), Ok(vec![]));
        let remove = Command::RemovePolicy(removed.clone());
        assert_eq!(
            when::<RoleAggregate>(&given, &remove),
            Ok(vec![Event::PolicyRemoved(removed)])
        );
        let missing = when::<RoleAggregate>(&given[..1], &remove);
        assert_eq!(missing.unwrap_err().code, "not-found");

        let user = added(2).user;
        let member = [made, Event::MemberAdded(added(2))];
        let leave = Command::RemoveMember(MemberRemoved { user });
        assert_eq!(
            when::<RoleAggregate>(&member, &leave),
            Ok(vec![Event::MemberRemoved(MemberRemoved { user })])
        );
        assert_eq!(when::<RoleAggregate>(&member[..1], &leave), Ok(vec![]));
    }

    #[test]
    fn a_revoked_key_never_comes_back() {
        let made = Event::Created(created());
        let (add, revoked) = (Command::AddKey(key(5)), KeyRevoked { id: key(5).id });
        let revoke = Command::RevokeKey(revoked.clone());
        let none = when::<RoleAggregate>(std::slice::from_ref(&made), &revoke);
        assert_eq!(none.unwrap_err().code, "not-found");
        let there = [made.clone(), Event::KeyAdded(key(5))];
        assert_eq!(
            when::<RoleAggregate>(&there[..1], &add),
            Ok(vec![Event::KeyAdded(key(5))])
        );
        assert_eq!(when::<RoleAggregate>(&there, &add), Ok(vec![]));
        let gone = [
            made,
            Event::KeyAdded(key(5)),
            Event::KeyRevoked(revoked.clone()),
        ];
        assert_eq!(
            when::<RoleAggregate>(&there, &revoke),
            Ok(vec![Event::KeyRevoked(revoked)])
        );
        assert_eq!(when::<RoleAggregate>(&gone, &revoke), Ok(vec![]));
        assert_eq!(
            when::<RoleAggregate>(&gone, &add).unwrap_err().code,
            "conflict"
        );
    }

    #[test]
    fn a_role_is_bounded() {
        let many = Created {
            policies: vec![policy("a:b@c"); MOST_AT_FIRST + 1],
            ..created()
        };
        let refused = when::<RoleAggregate>(&[], &Command::Create(many));
        assert_eq!(refused.unwrap_err().code, "bad-role");
        let mut given = vec![Event::Created(created())];
        given.extend((0..MOST as u128).map(|id| Event::KeyAdded(key(id))));
        let refused = when::<RoleAggregate>(&given, &Command::AddKey(key(9999)));
        assert_eq!(refused.unwrap_err().code, "bad-role");
    }
}
