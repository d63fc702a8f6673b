//! The aggregate `name`: who holds a name of one kind in one account.
//!
//! Its id is `<kind>-<name>`, so the expectation of the append makes a name unique with no index or lock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Refusal, events};
use crate::command::{AnyPart, Part};
use crate::names::{AccountName, FullName, Name, QualifiedName};

/// A name in an account.
#[derive(Debug)]
pub struct NameAggregate;

/// Who holds the name.
pub type State = Option<Uuid>;

/// What may be asked of a name.
#[derive(Clone, Debug)]
pub enum Command {
    /// Take it.
    Reserve(Reserved),
    /// Give it back; asked by anyone but the holder it does nothing.
    Release(Released),
}

/// A name was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reserved {
    /// What kind of thing bears the name: `service`, `data`, `role`, `account`.
    pub kind: String,
    /// The name with all that is before it.
    pub full_name: QualifiedName,
    /// The id of what bears it.
    pub holder: Uuid,
}

/// A name was given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Released {
    /// The id of what bore it.
    pub holder: Uuid,
}

events! {
    /// What can happen to a name.
    pub enum Event {
        /// A name was taken.
        Reserved(Reserved) = "reserved" 1,
        /// A name was given back and may be taken again.
        Released(Released) = "released" 1,
    }
}

/// The part of a command that takes `full_name` for `holder`.
pub fn reserve(kind: &'static str, full_name: &FullName, holder: Uuid) -> Box<dyn AnyPart> {
    part(
        kind,
        &full_name.account,
        &full_name.name,
        full_name.into(),
        holder,
    )
}

/// The part of a command that gives `full_name` back, if `holder` has it.
pub fn release(kind: &'static str, full_name: &FullName, holder: Uuid) -> Box<dyn AnyPart> {
    let id = format!("{kind}-{}", full_name.name);
    let command = Command::Release(Released { holder });
    Part::<NameAggregate>::on(full_name.account.clone(), id, command).boxed()
}

/// The part of a command that takes an account's name for it; it is kept in the account itself.
pub fn reserve_account(account: &AccountName, holder: Uuid) -> Box<dyn AnyPart> {
    part("account", account, &account.own(), account.into(), holder)
}

fn part(
    kind: &'static str,
    account: &AccountName,
    name: &Name,
    full_name: QualifiedName,
    holder: Uuid,
) -> Box<dyn AnyPart> {
    let reserved = Reserved {
        kind: kind.into(),
        full_name,
        holder,
    };
    let id = format!("{kind}-{name}");
    Part::<NameAggregate>::new(account.clone(), id, Command::Reserve(reserved)).boxed()
}

impl Aggregate for NameAggregate {
    const KIND: &'static str = "name";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        match (command, state) {
            (Command::Reserve(wanted), None) => Ok(vec![Event::Reserved(wanted.clone())]),
            (Command::Reserve(wanted), Some(holder)) if *holder == wanted.holder => Ok(vec![]),
            (Command::Reserve(wanted), Some(_)) => Err(Refusal::conflict(
                "name-taken",
                format!(
                    "the {} name `{}` is taken: choose another, or use the one that has it",
                    wanted.kind, wanted.full_name
                ),
            )),
            (Command::Release(released), Some(holder)) if *holder == released.holder => {
                Ok(vec![Event::Released(released.clone())])
            }
            (Command::Release(_), _) => Ok(vec![]),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        match event {
            Event::Reserved(reserved) => Some(reserved.holder),
            Event::Released(_) => None,
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Reserve(_) => "reserved",
            Command::Release(_) => "released",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;

    fn reserved(holder: u128) -> Reserved {
        let full_name = "snow.testacc.web".parse().unwrap();
        Reserved {
            kind: "service".into(),
            full_name,
            holder: Uuid::from_u128(holder),
        }
    }

    fn released(holder: u128) -> Released {
        Released {
            holder: Uuid::from_u128(holder),
        }
    }

    #[test]
    fn a_free_name_is_taken_once() {
        let taken = Event::Reserved(reserved(1));
        let ask = |given: &[Event], holder| {
            when::<NameAggregate>(given, &Command::Reserve(reserved(holder)))
        };
        assert_eq!(ask(&[], 1), Ok(vec![taken.clone()]));
        assert_eq!(
            ask(std::slice::from_ref(&taken), 1),
            Ok(vec![]),
            "by its holder again"
        );
        assert_eq!(ask(&[taken], 2).unwrap_err().code, "name-taken");
    }

    #[test]
    fn only_the_holder_gives_it_back() {
        let taken = Event::Reserved(reserved(1));
        let ask = |holder| {
            when::<NameAggregate>(
                std::slice::from_ref(&taken),
                &Command::Release(released(holder)),
            )
        };
        assert_eq!(ask(2), Ok(vec![]));
        assert_eq!(ask(1), Ok(vec![Event::Released(released(1))]));
    }

    #[test]
    fn a_name_given_back_is_free() {
        let given = [Event::Reserved(reserved(1)), Event::Released(released(1))];
        let taken = when::<NameAggregate>(&given, &Command::Reserve(reserved(2)));
        assert_eq!(taken, Ok(vec![Event::Reserved(reserved(2))]));
    }
}
