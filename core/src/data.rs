//! The aggregate `data`: a versioned set of files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::command::{AnyPart, Part};
use crate::ids::DataId;
use crate::name;
use crate::names::{FullName, Name};

/// A data resource.
#[derive(Debug)]
pub struct DataAggregate;

/// What a data resource is, once it was made.
pub type State = Option<Created>;

/// What may be asked of a data resource.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
}

/// A data resource was made, empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Its id.
    pub id: DataId,
    /// Its name in the account.
    pub name: Name,
}

events! {
    /// What can happen to a data resource.
    pub enum Event {
        /// A data resource was made, empty.
        Created(Created) = "created" 1,
    }
}

/// The command that makes a data resource and takes its name.
pub fn create(id: DataId, full_name: &FullName) -> Vec<Box<dyn AnyPart>> {
    let created = Created {
        id,
        name: full_name.name.clone(),
    };
    let account = full_name.account.clone();
    vec![
        name::reserve(DataAggregate::KIND, full_name, id.0),
        Part::<DataAggregate>::new(account, id, Command::Create(created)).boxed(),
    ]
}

impl Aggregate for DataAggregate {
    const KIND: &'static str = "data";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let Command::Create(created) = command;
        match state {
            None => Ok(vec![Event::Created(created.clone())]),
            Some(_) => Err(Refusal::exists("data")),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        let Event::Created(created) = event;
        Some(created.clone())
    }

    fn effect(command: &Command) -> &'static str {
        let Command::Create(_) = command;
        "created"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;

    #[test]
    fn data_is_made_once() {
        let created = Created {
            id: DataId(uuid::Uuid::from_u128(1)),
            name: "files".parse().unwrap(),
        };
        let create = Command::Create(created.clone());
        assert_eq!(
            when::<DataAggregate>(&[], &create),
            Ok(vec![Event::Created(created.clone())])
        );
        let again = when::<DataAggregate>(&[Event::Created(created)], &create);
        assert_eq!(again.unwrap_err().code, "conflict");
    }
}
