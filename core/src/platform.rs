//! The aggregate `platform`: where its log came from, if not all of it was written here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Refusal, events};
use crate::digest::Digest;
use crate::ids::PlatformId;

/// A platform.
#[derive(Debug)]
pub struct PlatformAggregate;

/// What it was restored from, if it was.
pub type State = Option<Restored>;

/// What may be asked of a platform.
#[derive(Clone, Debug)]
pub enum Command {
    /// Say that all events until now came from an export.
    Restore(Restored),
}

/// A platform began with the events of an export: all that are before this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// The platform that the export was made of.
    pub from: PlatformId,
    /// How many events it had.
    pub events: u64,
    /// The SHA-256 of the file.
    pub sha256: Digest,
}

events! {
    /// What can have happened to a platform.
    pub enum Event {
        /// A platform began with the events of an export; runs that were alive in it are over.
        Restored(Restored) = "restored" 1,
    }
}

impl Aggregate for PlatformAggregate {
    const KIND: &'static str = "platform";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let Command::Restore(restored) = command;
        match state {
            None => Ok(vec![Event::Restored(restored.clone())]),
            Some(before) if before == restored => Ok(vec![]),
            Some(_) => Err(Refusal::conflict(
                "conflict",
                "the platform was restored from another export",
            )),
        }
    }

    fn evolve(_: State, event: &Event) -> State {
        let Event::Restored(restored) = event;
        Some(restored.clone())
    }

    fn effect(command: &Command) -> &'static str {
        let Command::Restore(_) = command;
        "restored"
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::aggregate::testing::when;

    fn restored(events: u64) -> Restored {
        Restored {
            from: PlatformId(Uuid::from_u128(1)),
            events,
            sha256: Digest::of(b"export"),
        }
    }

    #[test]
    fn a_platform_is_restored_once() {
        let ask = |given: &[Event], events| {
            when::<PlatformAggregate>(given, &Command::Restore(restored(events)))
        };
        let first = Event::Restored(restored(7));
        assert_eq!(ask(&[], 7), Ok(vec![first.clone()]));
        assert_eq!(ask(std::slice::from_ref(&first), 7), Ok(vec![]));
        assert_eq!(ask(&[first], 8).unwrap_err().code, "conflict");
    }
}
