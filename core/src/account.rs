//! The aggregate `account`: an account of an organization, the users that belong to it, and the monitors that watch it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::ids::{AccountId, MonitorId, OrganizationId, UserId};
use crate::names::{AccountName, Name};

/// The most users of an account.
const MOST_USERS: usize = 10_000;
/// The most credentials of monitors that are good at a time.
pub const MOST_MONITORS: usize = 64;
/// The most credentials of monitors that an account ever makes: NATS is told of each that was revoked.
pub const MOST_MONITORS_EVER: usize = 4096;

/// An account.
#[derive(Debug)]
pub struct AccountAggregate;

/// What an account is, once it was made.
pub type State = Option<Account>;

/// An account that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// How it was made.
    pub created: Created,
    /// Its users, in order of joining.
    pub users: Vec<UserAdded>,
    /// The users whose tokens of old are good no more, and the last second of those.
    pub revoked: Vec<TokensRevoked>,
    /// The credentials of monitors that are good, oldest first.
    pub monitors: Vec<MonitorAdded>,
    /// Those that were good once.
    pub monitors_revoked: Vec<MonitorId>,
}

/// What may be asked of an account.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Let a user belong to it.
    AddUser(UserAdded),
    /// Let a user's tokens be good no more.
    RevokeTokens(TokensRevoked),
    /// Let a monitor watch it.
    AddMonitor(MonitorAdded),
    /// Let a monitor watch it no more.
    RevokeMonitor(MonitorRevoked),
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

/// What a user was given before is good no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokensRevoked {
    /// The user.
    pub user: UserId,
    /// Tokens that were signed in this second or before it are refused, in seconds since 1970.
    pub before: i64,
}

/// A monitor may watch the account from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorAdded {
    /// The id of its credentials.
    pub id: MonitorId,
    /// What they are called.
    pub name: Name,
    /// The public key that they prove to have: the secret one is nowhere.
    #[schemars(regex(pattern = r"^U[A-Z2-7]{55}$"))]
    pub key: String,
}

/// A monitor may watch the account no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorRevoked {
    /// The id of its credentials.
    pub id: MonitorId,
}

events! {
    /// What can happen to an account.
    pub enum Event {
        /// An account was made.
        Created(Created) = "created" 1,
        /// A user belongs to the account from now on.
        UserAdded(UserAdded) = "user_added" 1,
        /// What a user was given before is good no more.
        TokensRevoked(TokensRevoked) = "tokens_revoked" 1,
        /// A monitor may watch the account from now on.
        MonitorAdded(MonitorAdded) = "monitor_added" 1,
        /// A monitor may watch the account no more.
        MonitorRevoked(MonitorRevoked) = "monitor_revoked" 1,
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
            (_, None) => Err(Refusal::not_found("there is no such account")),
            (Command::AddUser(_), Some(account)) if account.users.len() >= MOST_USERS => {
                let text = format!("an account has at most {MOST_USERS} users");
                Err(Refusal::invalid("bad-user", text))
            }
            (Command::RevokeTokens(revoked), Some(account)) => {
                if account.users.iter().all(|user| user.id != revoked.user) {
                    return Err(Refusal::not_found("there is no such user in the account"));
                }
                let done =
                    |had: &TokensRevoked| had.user == revoked.user && had.before >= revoked.before;
                Ok(if account.revoked.iter().any(done) {
                    vec![]
                } else {
                    vec![Event::TokensRevoked(revoked.clone())]
                })
            }
            (Command::AddMonitor(added), Some(account)) => add_monitor(account, added),
            (Command::RevokeMonitor(revoked), Some(account)) => {
                let id = revoked.id;
                if account.monitors.iter().any(|monitor| monitor.id == id) {
                    Ok(vec![Event::MonitorRevoked(revoked.clone())])
                } else if account.monitors_revoked.contains(&id) {
                    Ok(vec![])
                } else {
                    Err(Refusal::not_found("there are no such credentials"))
                }
            }
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
                revoked: Vec::new(),
                monitors: Vec::new(),
                monitors_revoked: Vec::new(),
            }),
            (Event::UserAdded(added), Some(mut account)) => {
                account.users.push(added.clone());
                Some(account)
            }
            (Event::TokensRevoked(revoked), Some(mut account)) => {
                account.revoked.retain(|had| had.user != revoked.user);
                account.revoked.push(revoked.clone());
                Some(account)
            }
            (Event::MonitorAdded(added), Some(mut account)) => {
                account.monitors.push(added.clone());
                Some(account)
            }
            (Event::MonitorRevoked(revoked), Some(mut account)) => {
                account.monitors.retain(|had| had.id != revoked.id);
                account.monitors_revoked.push(revoked.id);
                Some(account)
            }
            (_, None) => None,
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Create(_) => "created",
            Command::AddUser(_) => "user_added",
            Command::RevokeTokens(_) => "tokens_revoked",
            Command::AddMonitor(_) => "monitor_added",
            Command::RevokeMonitor(_) => "monitor_revoked",
        }
    }
}

fn add_monitor(account: &Account, added: &MonitorAdded) -> Result<Vec<Event>, Refusal> {
    // Whoever repeats the command that made them does not get them back.
    if account.monitors_revoked.contains(&added.id) {
        let text = "these credentials were revoked: make others";
        return Err(Refusal::conflict("conflict", text));
    }
    let taken = |had: &&MonitorAdded| had.id == added.id || had.name == added.name;
    match account.monitors.iter().find(taken) {
        Some(had) if had == added => return Ok(vec![]),
        Some(had) if had.id == added.id => {
            let text = format!("these credentials are there already, as `{}`", had.name);
            return Err(Refusal::conflict("conflict", text));
        }
        Some(_) => {
            let text = format!(
                "there are credentials `{0}` in this account: take another name, or end those with \
                 `eai monitor credentials revoke {0}`",
                added.name
            );
            return Err(Refusal::conflict("name-taken", text));
        }
        None => {}
    }
    if account.monitors.len() >= MOST_MONITORS {
        return Err(Refusal::invalid(
            "bad-monitor",
            format!(
                "an account has at most {MOST_MONITORS} credentials of monitors: revoke some with \
                 `eai monitor credentials revoke NAME`"
            ),
        ));
    }
    if account.monitors.len() + account.monitors_revoked.len() >= MOST_MONITORS_EVER {
        let text = format!("an account makes at most {MOST_MONITORS_EVER} credentials of monitors");
        return Err(Refusal::invalid("bad-monitor", text));
    }
    Ok(vec![Event::MonitorAdded(added.clone())])
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

    #[test]
    fn tokens_are_revoked_up_to_a_second() {
        let revoked = |before| TokensRevoked {
            user: UserId(Uuid::from_u128(2)),
            before,
        };
        let given = [
            created(),
            Event::UserAdded(user(2, "ann")),
            Event::TokensRevoked(revoked(10)),
        ];
        let ask = |given: &[Event], before| {
            when::<AccountAggregate>(given, &Command::RevokeTokens(revoked(before)))
        };
        assert_eq!(ask(&given[..1], 10).unwrap_err().code, "not-found");
        assert_eq!(
            ask(&given[..2], 10),
            Ok(vec![Event::TokensRevoked(revoked(10))])
        );
        assert_eq!(ask(&given, 10), Ok(vec![]));
        assert_eq!(ask(&given, 11), Ok(vec![Event::TokensRevoked(revoked(11))]));
    }

    fn monitor(id: u128, name: &str) -> MonitorAdded {
        MonitorAdded {
            id: MonitorId(Uuid::from_u128(id)),
            name: name.parse().unwrap(),
            key: format!("U{id}"),
        }
    }

    #[test]
    fn credentials_of_monitors_are_made_once_and_never_come_back() {
        let add = |given: &[Event], monitor| {
            when::<AccountAggregate>(given, &Command::AddMonitor(monitor))
        };
        let added = Event::MonitorAdded(monitor(1, "sla"));
        let revoked = MonitorRevoked {
            id: monitor(1, "sla").id,
        };
        let given = [
            created(),
            added.clone(),
            Event::MonitorRevoked(revoked.clone()),
        ];
        assert_eq!(add(&[], monitor(1, "sla")).unwrap_err().code, "not-found");
        assert_eq!(add(&given[..1], monitor(1, "sla")), Ok(vec![added]));
        assert_eq!(add(&given[..2], monitor(1, "sla")), Ok(vec![]));
        let refused = |given, monitor| add(given, monitor).unwrap_err().code;
        assert_eq!(refused(&given[..2], monitor(2, "sla")), "name-taken");
        assert_eq!(refused(&given[..2], monitor(1, "other")), "conflict");
        assert_eq!(refused(&given, monitor(1, "sla")), "conflict");
        // The name is free again.
        let again = Event::MonitorAdded(monitor(2, "sla"));
        assert_eq!(add(&given, monitor(2, "sla")), Ok(vec![again]));

        let revoke = Command::RevokeMonitor(revoked.clone());
        let revoke = |given: &[Event]| when::<AccountAggregate>(given, &revoke);
        assert_eq!(revoke(&given[..1]).unwrap_err().code, "not-found");
        let event = Event::MonitorRevoked(revoked);
        assert_eq!(revoke(&given[..2]), Ok(vec![event]));
        assert_eq!(revoke(&given), Ok(vec![]));
    }

    #[test]
    fn monitors_are_bounded() {
        let mut given = vec![created()];
        let most = MOST_MONITORS as u128;
        given.extend((0..most).map(|id| Event::MonitorAdded(monitor(id, &format!("m{id}")))));
        let one_more = Command::AddMonitor(monitor(9999, "more"));
        let refused = when::<AccountAggregate>(&given, &one_more);
        assert_eq!(refused.unwrap_err().code, "bad-monitor");
        for id in (0..MOST_MONITORS_EVER as u128).map(|id| monitor(id, "x").id) {
            given.push(Event::MonitorRevoked(MonitorRevoked { id }));
        }
        let refused = when::<AccountAggregate>(&given, &one_more);
        assert_eq!(refused.unwrap_err().code, "bad-monitor");
    }
}
