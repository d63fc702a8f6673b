//! The aggregate `data`: a versioned set of files.
//!
//! An event names a version's files by the digest of their list; the list itself is kept beside the log.

mod glob;
mod head;
mod manifest;
mod path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use glob::{BadGlob, Glob};
pub use head::{BadHead, Head};
pub use manifest::{BadManifest, Document, File, MAX_FILES, MAX_MANIFEST, Manifest, Status};
pub use path::{BadPath, FilePath, MAX_COMPONENT, MAX_PATH};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::command::{AnyPart, Part};
use crate::digest::Digest;
use crate::ids::DataId;
use crate::name;
use crate::names::{AccountName, FullName, Name};

/// A data resource.
#[derive(Debug)]
pub struct DataAggregate;

/// A data resource, once it was made.
pub type State = Option<Data>;

/// A data resource that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// How it was made.
    pub created: Created,
    /// Its newest version; 0 where nothing was pushed yet.
    pub version: u64,
    /// The list of files of the newest version.
    pub manifest: Option<Digest>,
}

/// What may be asked of a data resource.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Give it a version.
    Push(Push),
}

/// A version to be made on the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The version that the files were put together on; 0 for none.
    pub base: u64,
    /// The list of files.
    pub manifest: Digest,
    /// How many files there are.
    pub files: u64,
    /// How long they are together.
    pub bytes: u64,
}

/// A data resource was made, empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Its id.
    pub id: DataId,
    /// Its name in the account.
    pub name: Name,
}

/// A data resource has a new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pushed {
    /// The version, counted from 1.
    pub version: u64,
    /// The SHA-256 of its list of files.
    pub manifest: Digest,
    /// How many files it has.
    pub files: u64,
    /// How long they are together.
    pub bytes: u64,
}

events! {
    /// What can happen to a data resource.
    pub enum Event {
        /// A data resource was made, empty.
        Created(Created) = "created" 1,
        /// A data resource has a new version.
        Pushed(Pushed) = "pushed" 1,
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

/// The command that gives a data resource a version.
pub fn push(account: AccountName, id: DataId, push: Push) -> Box<dyn AnyPart> {
    Part::<DataAggregate>::on(account, id, Command::Push(push)).boxed()
}

impl Aggregate for DataAggregate {
    const KIND: &'static str = "data";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let (push, data) = match (command, state) {
            (Command::Create(created), None) => return Ok(vec![Event::Created(created.clone())]),
            (Command::Create(_), Some(_)) => return Err(Refusal::exists("data")),
            (Command::Push(_), None) => return Err(Refusal::not_found("there is no such data")),
            (Command::Push(push), Some(data)) if push.base != data.version => {
                return Err(Refusal::stale(format!(
                    "data `{}` has version {} by now, and version {} was changed: send the command again",
                    data.created.name, data.version, push.base
                )));
            }
            (Command::Push(push), Some(data)) => (push, data),
        };
        if data.manifest == Some(push.manifest) {
            return Ok(vec![]);
        }
        Ok(vec![Event::Pushed(Pushed {
            version: push.base + 1,
            manifest: push.manifest,
            files: push.files,
            bytes: push.bytes,
        })])
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Created(created) => Some(Data {
                created: created.clone(),
                version: 0,
                manifest: None,
            }),
            Event::Pushed(pushed) => state.map(|data| Data {
                version: pushed.version,
                manifest: Some(pushed.manifest),
                ..data
            }),
        }
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Create(_) => "created",
            Command::Push(_) => "pushed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;

    fn created() -> Created {
        Created {
            id: DataId(uuid::Uuid::from_u128(1)),
            name: "files".parse().unwrap(),
        }
    }

    fn pushed(base: u64, content: &str) -> (Command, Event) {
        let manifest = Digest::of(content.as_bytes());
        let push = Push {
            base,
            manifest,
            files: 1,
            bytes: 2,
        };
        let pushed = Pushed {
            version: base + 1,
            manifest,
            files: 1,
            bytes: 2,
        };
        (Command::Push(push), Event::Pushed(pushed))
    }

    #[test]
    fn data_is_made_once() {
        let create = Command::Create(created());
        assert_eq!(
            when::<DataAggregate>(&[], &create),
            Ok(vec![Event::Created(created())])
        );
        let again = when::<DataAggregate>(&[Event::Created(created())], &create);
        assert_eq!(again.unwrap_err().code, "conflict");
    }

    #[test]
    fn versions_count_from_one() {
        let (first, made) = pushed(0, "a");
        let (second, changed) = pushed(1, "b");
        let made_empty = Event::Created(created());
        let given = [made_empty.clone(), made.clone()];
        assert_eq!(when::<DataAggregate>(&given[..1], &first), Ok(vec![made]));
        assert_eq!(when::<DataAggregate>(&given, &second), Ok(vec![changed]));
        assert_eq!(
            when::<DataAggregate>(&given, &first).unwrap_err().code,
            "stale"
        );
        assert_eq!(
            when::<DataAggregate>(&[], &first).unwrap_err().code,
            "not-found"
        );
        let (same, _) = pushed(1, "a");
        assert_eq!(
            when::<DataAggregate>(&given, &same),
            Ok(vec![]),
            "nothing changed"
        );
    }
}
