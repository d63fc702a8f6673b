//! The aggregate `role`: policies `type:verb@resource`, and the users that hold them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::command::{AnyPart, Part};
use crate::ids::{RoleId, UserId};
use crate::name;
use crate::names::{FullName, Name};

/// A role.
#[derive(Debug)]
pub struct RoleAggregate;

/// What a role is, once it was made.
pub type State = Option<Role>;

/// A role that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// How it was made.
    pub created: Created,
    /// Who holds it, in order of joining.
    pub members: Vec<UserId>,
}

/// What may be asked of a role.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Let a user hold it.
    AddMember(MemberAdded),
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

events! {
    /// What can happen to a role.
    pub enum Event {
        /// A role was made.
        Created(Created) = "created" 1,
        /// A user holds the role from now on.
        MemberAdded(MemberAdded) = "member_added" 1,
    }
}

/// One permission: `type:verb@resource`, such as `data:read@snow.testacc.web_runtime` or `*:*@snow.testacc.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Policy(String);

/// The longest resource of a policy, in bytes: a full name is at most 639.
const MAX_RESOURCE: usize = 1024;

/// A text that is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a policy: write TYPE:VERB@RESOURCE, such as service:get@snow.testacc.web")]
pub struct BadPolicy(String);

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
        match (command, state) {
            (Command::Create(created), None) => Ok(vec![Event::Created(created.clone())]),
            (Command::Create(_), Some(_)) => Err(Refusal::exists("role")),
            (Command::AddMember(_), None) => Err(Refusal::not_found("there is no such role")),
            (Command::AddMember(added), Some(role)) if role.members.contains(&added.user) => {
                Ok(vec![])
            }
            (Command::AddMember(added), Some(_)) => Ok(vec![Event::MemberAdded(added.clone())]),
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (event, state) {
            (Event::Created(created), _) => Some(Role {
                created: created.clone(),
                members: Vec::new(),
            }),
            (Event::MemberAdded(added), Some(mut role)) => {
                role.members.push(added.user);
                Some(role)
            }
            (Event::MemberAdded(_), None) => None,
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Create(_) => "created",
            Command::AddMember(_) => "member_added",
        }
    }
}

// === impl Policy ===

impl FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        let word = |part: &str| {
            part == "*" || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        let resource = |part: &str| {
            (1..=MAX_RESOURCE).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.:*-".contains(&b))
        };
        let parsed = text.split_once('@').and_then(|(action, on)| {
            let (kind, verb) = action.split_once(':')?;
            (word(kind) && word(verb) && resource(on)).then(|| Self(text.to_owned()))
        });
        parsed.ok_or_else(|| BadPolicy(crate::names::shown(text)))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Policy {
    type Error = BadPolicy;

    fn try_from(text: String) -> Result<Self, BadPolicy> {
        text.parse()
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.0
    }
}

impl JsonSchema for Policy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(\*|[a-z]+):(\*|[a-z]+)@[A-Za-z0-9_.:*-]{1,1024}$"
        })
    }
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

    #[test]
    fn policies_read_type_verb_resource() {
        for good in [
            "*:*@*",
            "data:read@snow.testacc.web_runtime",
            "job:get@orgid:account:id:job:*",
        ] {
            assert!(good.parse::<Policy>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "data:read",
            "data@x",
            "data:read@",
            "Data:read@x",
            "a:b@c d",
            "a:b:c",
        ] {
            assert!(bad.parse::<Policy>().is_err(), "{bad}");
        }
    }
}
