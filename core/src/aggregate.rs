//! The shape of an aggregate: a state, the commands it takes, the events it makes, two pure functions.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A consistency boundary: its events are appended with an expectation, so one decision is made at a time.
///
/// Both functions are synchronous on purpose: an aggregate has no side effects. What a decision needs to
/// know beyond the state is looked up before and put into the command.
pub trait Aggregate: Debug + Send + Sync + 'static {
    /// The kind's token in subjects, types and addresses.
    const KIND: &'static str;
    /// What the events so far add up to. It is written to snapshots, which only the sources that wrote them read.
    type State: Clone
        + Debug
        + Default
        + PartialEq
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;
    /// What may be asked of it.
    type Command: Clone + Debug + Send + Sync + 'static;
    /// What can have happened to it.
    type Event: Event;

    /// Decides which events a command causes, or refuses it. No events: nothing is left to do.
    fn decide(state: &Self::State, command: &Self::Command) -> Result<Vec<Self::Event>, Refusal>;

    /// Folds one event; total, so that a replay never fails.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// The name of the event that the command leads to where there is something to do.
    ///
    /// It tells a retried command from another one that came with the same id.
    fn effect(command: &Self::Command) -> &'static str;
}

/// The events of one kind of aggregate: names, versions and payloads. Made by `events!`.
pub trait Event: Clone + Debug + PartialEq + Sized + Send + Sync + 'static {
    /// Every event and version there is, newest last.
    fn catalogue() -> Vec<Entry>;
    /// The event's name, such as `created`.
    fn name(&self) -> &'static str;
    /// The version of the payload that is written today.
    fn version(&self) -> u16;
    /// The payload as JSON.
    fn data(&self) -> Result<Box<RawValue>, serde_json::Error>;
    /// Reads a payload of any version ever written.
    fn decode(name: &str, version: u16, data: &str) -> Result<Self, DecodeError>;
}

/// One event type in the catalogue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event's name.
    pub name: &'static str,
    /// The payload's version.
    pub version: u16,
    /// What it means, in a sentence.
    pub doc: &'static str,
    /// The payload's JSON Schema.
    pub schema: schemars::Schema,
}

/// Why a stored event could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer platform, or not by one at all.
    #[error("event type {name}.v{version} is unknown to this version")]
    Unknown {
        /// The event's name.
        name: String,
        /// The payload's version.
        version: u16,
    },
    /// A known type with a payload that does not fit it.
    #[error("payload of {name}.v{version} does not fit its type")]
    Payload {
        /// The event's name.
        name: String,
        /// The payload's version.
        version: u16,
        /// What serde said.
        #[source]
        source: serde_json::Error,
    },
}

/// What kind of refusal it is: decides the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such thing.
    NotFound,
    /// The state does not allow it.
    Conflict,
    /// The command itself is not in order.
    Invalid,
    /// A fault of ours.
    Internal,
}

/// Why a command was refused: `code` for programs, `message` for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// Stable and documented: `docs/errors.md`.
    pub code: &'static str,
    /// What happened, to what, and what to do next.
    pub message: String,
}

impl Refusal {
    const STALE: &'static str = "stale";

    /// The state does not allow it.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Conflict,
            code,
            message: message.into(),
        }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::NotFound,
            code: "not-found",
            message: message.into(),
        }
    }

    /// The command itself is not in order.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Invalid,
            code,
            message: message.into(),
        }
    }

    /// What cannot be, unless the platform itself is wrong.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Internal,
            code: "internal",
            message: message.into(),
        }
    }

    /// The command was planned on a state that is no more: plan it anew.
    pub fn stale(message: impl Into<String>) -> Self {
        Self::conflict(Self::STALE, message)
    }

    /// Whether planning the command anew may help.
    pub fn is_stale(&self) -> bool {
        self.code == Self::STALE
    }

    /// An aggregate is asked to be made again by another command: the id of this one was used before.
    pub fn exists(what: &str) -> Self {
        Self::conflict(
            "conflict",
            format!("this {what} was already made by another command"),
        )
    }
}

/// Declares the events of an aggregate: `Variant(Payload) = "name" version "what it means"`.
///
/// A breaking change adds a line with the next version; decoding the old one then upcasts to it.
macro_rules! events {
    ($(#[$meta:meta])* pub enum $enum:ident {
        $($(#[doc = $doc:literal])+ $variant:ident($payload:ty) = $name:literal $version:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $enum {
            $($(#[doc = $doc])+ $variant($payload),)+
        }

        impl $crate::aggregate::Event for $enum {
            fn catalogue() -> Vec<$crate::aggregate::Entry> {
                vec![$($crate::aggregate::Entry {
                    name: $name,
                    version: $version,
                    doc: concat!($($doc),+).trim_ascii(),
                    schema: schemars::schema_for!($payload),
                },)+]
            }

            fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            fn version(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $version,)+
                }
            }

            fn data(&self) -> Result<Box<serde_json::value::RawValue>, serde_json::Error> {
                match self {
                    $(Self::$variant(payload) => serde_json::value::to_raw_value(payload),)+
                }
            }

            fn decode(
                name: &str,
                version: u16,
                data: &str,
            ) -> Result<Self, $crate::aggregate::DecodeError> {
                use $crate::aggregate::DecodeError;
                match (name, version) {
                    $(($name, $version) => serde_json::from_str(data)
                        .map(Self::$variant)
                        .map_err(|source| DecodeError::Payload { name: name.into(), version, source }),)+
                    _ => Err(DecodeError::Unknown { name: name.into(), version }),
                }
            }
        }
    };
}
pub(crate) use events;

/// Given / when / then for the tests of an aggregate.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Aggregate, Event, Refusal};

    pub(crate) fn fold<A: Aggregate>(events: &[A::Event]) -> A::State {
        events.iter().fold(A::State::default(), A::evolve)
    }

    /// Decides on a folded history, and checks that a decision names its effect.
    #[track_caller]
    pub(crate) fn when<A: Aggregate>(
        given: &[A::Event],
        command: &A::Command,
    ) -> Result<Vec<A::Event>, Refusal> {
        let decided = A::decide(&fold::<A>(given), command)?;
        for event in &decided {
            assert_eq!(event.name(), A::effect(command), "effect of {command:?}");
        }
        // What was decided is settled: the same command has nothing left to do, or is refused.
        let after: Vec<_> = given.iter().chain(&decided).cloned().collect();
        if let Ok(again) = A::decide(&fold::<A>(&after), command) {
            assert!(
                again.is_empty(),
                "{command:?} would happen twice: {again:?}"
            );
        }
        Ok(decided)
    }
}
