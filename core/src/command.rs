//! Commands as the log executes them: who asks, under which id, and one part for each aggregate concerned.
//!
//! The parts of a command are decided on their own and stored together or not at all. This module hides
//! the aggregate's type behind [`Part`], so that one command may span several kinds.

use std::any::Any;
use std::fmt::Debug;

use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::aggregate::{Aggregate, DecodeError, Event, Refusal};
use crate::envelope::{Actor, TypeParts};
use crate::ids::{CommandId, EventId};
use crate::names::AccountName;
use crate::subject::Address;
use crate::trace::TraceParent;

/// What every event of a command says about it.
#[derive(Clone, Debug)]
pub struct Context {
    /// The idempotency key.
    pub id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// The first command of the chain of causes: the command itself where a user asks.
    pub correlation: Uuid,
    /// The event that a policy answers.
    pub causation: Option<EventId>,
    /// W3C trace context of the request.
    pub traceparent: Option<TraceParent>,
    /// When it is decided.
    pub time: OffsetDateTime,
    /// Whether it may use the log's reserve.
    pub urgency: Urgency,
}

/// The event that led to a command of the platform, and the command that began it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The event.
    pub event: EventId,
    /// The first command of the chain of causes.
    pub correlation: Uuid,
    /// W3C trace context of the request that began it all.
    pub traceparent: Option<TraceParent>,
}

/// Whether a command may use the last tenth of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Refused once the log is nine tenths full.
    Normal,
    /// Stops, cancels, policies and executors: what lets a full platform wind down.
    Essential,
}

/// One aggregate's share of a command.
#[derive(Debug)]
pub struct Part<A: Aggregate> {
    address: Address,
    command: A::Command,
    fresh: bool,
}

/// An event that was decided and is not stored yet.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Its kind, name and version.
    pub event_type: TypeParts<'static>,
    /// Its payload.
    pub data: Box<RawValue>,
}

/// A [`Part`] of any kind.
pub trait AnyPart: Debug + Send + Sync {
    /// The aggregate.
    fn address(&self) -> &Address;
    /// Whether the aggregate most likely has no events yet, so that nothing need be loaded first.
    fn is_fresh(&self) -> bool;
    /// The state of an aggregate without events.
    fn initial(&self) -> Box<dyn AnyState>;
    /// Decides on a folded state.
    fn decide(&self, state: &dyn AnyState) -> Result<Vec<Decided>, Refusal>;
    /// The event that the command leads to.
    fn effect(&self) -> &'static str;
}

/// A folded state of any kind.
pub trait AnyState: Any + Debug + Send + Sync {
    /// Folds one stored event.
    fn apply(&mut self, event: TypeParts<'_>, data: &str) -> Result<(), DecodeError>;
    /// For reading it as what it is.
    fn as_any(&self) -> &dyn Any;
    /// As JSON; none where that would be read back as another state.
    fn save(&self) -> Option<Box<RawValue>>;
    /// Becomes what was saved.
    fn restore(&mut self, saved: &str) -> Result<(), serde_json::Error>;
}

/// A folded state.
#[derive(Debug)]
pub struct Folded<A: Aggregate>(pub A::State);

// === impl Context ===

impl Context {
    /// A user's command.
    pub fn user(id: CommandId, actor: Actor, time: OffsetDateTime) -> Self {
        Self {
            id,
            actor,
            correlation: id.0,
            causation: None,
            traceparent: None,
            time,
            urgency: Urgency::Normal,
        }
    }

    /// A command of an executor or a policy.
    pub fn platform(id: CommandId, time: OffsetDateTime) -> Self {
        Self {
            urgency: Urgency::Essential,
            ..Self::user(id, Actor::Platform, time)
        }
    }

    /// The same command, as the answer to an event.
    #[must_use]
    pub fn because(self, cause: Option<Cause>) -> Self {
        let Some(Cause {
            event,
            correlation,
            traceparent,
        }) = cause
        else {
            return self;
        };
        Self {
            correlation,
            traceparent,
            causation: Some(event),
            ..self
        }
    }
}

// === impl Part ===

impl<A: Aggregate> Part<A> {
    /// A command to an aggregate that should exist.
    pub fn on(account: AccountName, id: impl std::fmt::Display, command: A::Command) -> Self {
        Self {
            address: Address::new(account, A::KIND, id),
            command,
            fresh: false,
        }
    }

    /// A command that makes the aggregate, or takes a name that is most likely free.
    pub fn new(account: AccountName, id: impl std::fmt::Display, command: A::Command) -> Self {
        Self {
            address: Address::new(account, A::KIND, id),
            command,
            fresh: true,
        }
    }

    /// As a part of any kind.
    pub fn boxed(self) -> Box<dyn AnyPart> {
        Box::new(self)
    }
}

impl<A: Aggregate> AnyPart for Part<A> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn is_fresh(&self) -> bool {
        self.fresh
    }

    fn initial(&self) -> Box<dyn AnyState> {
        Box::new(Folded::<A>(A::State::default()))
    }

    fn decide(&self, state: &dyn AnyState) -> Result<Vec<Decided>, Refusal> {
        let state = state
            .as_any()
            .downcast_ref::<Folded<A>>()
            .ok_or_else(|| internal("state"))?;
        A::decide(&state.0, &self.command)?
            .iter()
            .map(|event| {
                let event_type = TypeParts {
                    kind: A::KIND,
                    name: event.name(),
                    version: event.version(),
                };
                let data = event.data().map_err(|_| internal("payload"))?;
                Ok(Decided { event_type, data })
            })
            .collect()
    }

    fn effect(&self) -> &'static str {
        A::effect(&self.command)
    }
}

/// Two aggregates of different kinds under one address, or a payload JSON cannot hold: a fault of ours.
fn internal(what: &str) -> Refusal {
    Refusal::internal(format!("the {what} of an aggregate is not of its kind"))
}

impl<A: Aggregate> AnyState for Folded<A> {
    fn apply(&mut self, event: TypeParts<'_>, data: &str) -> Result<(), DecodeError> {
        let event = A::Event::decode(event.name, event.version, data)?;
        self.0 = A::evolve(std::mem::take(&mut self.0), &event);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn save(&self) -> Option<Box<RawValue>> {
        let saved = serde_json::value::to_raw_value(&self.0).ok()?;
        let read: A::State = serde_json::from_str(saved.get()).ok()?;
        (read == self.0).then_some(saved)
    }

    fn restore(&mut self, saved: &str) -> Result<(), serde_json::Error> {
        self.0 = serde_json::from_str(saved)?;
        Ok(())
    }
}
