//! The aggregate `account`: an account of an organization, and the users that belong to it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::ids::{AccountId, OrganizationId, UserId};
use crate::names::{AccountName, Name};

/// An account.
#[derive(Debug)]
pub struct AccountAggregate;

/// What an account is, once it was made.
pub type State = Option<Account>;

/// An account that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// How it was made.
    pub created: Created,
    /// Its users, in order of joining.
    pub users: Vec<UserAdded>,
}

/// What may be asked of an account.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Let a user belong to it.
    AddUser(UserAdded),
}

/// An account was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// Its id.
    pub id: AccountId,
    /// Its name with organization and parents.
    pub full_name: AccountName,
    /// The organization that it belongs to.
    pub organization_id: OrganizationId,
}

/// A user belongs to the account from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UserAdded {
    /// The user's id.
    pub id: UserId,
    /// The user's name.
    pub name: Name,
}

events! {
    /// What can happen to an account.
    pub enum Event {
        /// An account was made.
        Created(Created) = "created" 1,
        /// A user belongs to the account from now on.
        UserAdded(UserAdded) = "user_added" 1,
    }
}

impl Aggregate for AccountAggregate {
    const KIND: &'static str = "account";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        match (command, state) {
            (Command::Create(created), None) => Ok(vec![Event::Created(created.clone())]),
            (Command::Create(_), Some(_)) => Err(Refusal::exists("account")),
            (Command::AddUser(_), None) => Err(Refusal::not_found("there is no such account")),
            (Command::AddUser(added), Some(account)) => {
                let taken = |user: &&UserAdded| user.id == added.id || user.name == added.name;
                match account.users.iter().find(taken) {
                    None => Ok(vec![Event::UserAdded(added.clone())]),
                    Some(user) if user == added => Ok(vec![]),
                    Some(user) if user.id == added.id => Err(Refusal::conflict(
                        "conflict",
                        format!("this user is in the account already, as `{}`", user.name),
                    )),
                    Some(_) => Err(Refusal::conflict(
                        "name-taken",
                        format!("the user name `{}` is taken in this account", added.name),
                    )),
                }
            }
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (event, state) {
            (Event::Created(created), _) => Some(Account {
                created: created.clone(),
                users: Vec::new(),
            }),
            (Event::UserAdded(added), Some(mut account)) => {
                account.users.push(added.clone());
                Some(account)
            }
            (Event::UserAdded(_), None) => None,
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Create(_) => "created",
            Command::AddUser(_) => "user_added",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;
    use uuid::Uuid;

    fn created() -> Event {
        Event::Created(Created {
            id: AccountId(Uuid::from_u128(1)),
            full_name: "snow.testacc".parse().unwrap(),
            organization_id: OrganizationId(Uuid::from_u128(2)),
        })
    }

    fn user(id: u128, name: &str) -> UserAdded {
        UserAdded {
            id: UserId(Uuid::from_u128(id)),
            name: name.parse().unwrap(),
        }
    }

    #[test]
    fn an_account_is_made_once() {
        let Event::Created(payload) = created() else {
            unreachable!()
        };
        let create = Command::Create(payload);
        assert_eq!(when::<AccountAggregate>(&[], &create), Ok(vec![created()]));
        assert_eq!(
            when::<AccountAggregate>(&[created()], &create)
                .unwrap_err()
                .code,
            "conflict"
        );
    }

    #[test]
    fn a_user_joins_once_and_names_are_unique() {
        let ask = |given: &[Event], user| when::<AccountAggregate>(given, &Command::AddUser(user));
        let joined = Event::UserAdded(user(3, "admin"));
        assert_eq!(ask(&[], user(3, "admin")).unwrap_err().code, "not-found");
        assert_eq!(
            ask(&[created()], user(3, "admin")),
            Ok(vec![joined.clone()])
        );
        assert_eq!(
            ask(&[created(), joined.clone()], user(3, "admin")),
            Ok(vec![])
        );
        assert_eq!(
            ask(&[created(), joined], user(4, "admin"))
                .unwrap_err()
                .code,
            "name-taken"
        );
    }
}
