//! What an event changes in the tables: one module for each kind of aggregate.

mod account;
mod data;
mod executor;
mod job;
mod name;
mod platform;
mod replicas;
mod role;
mod rollout;
mod service;
mod worker;

use eai_core::aggregate::{Aggregate, DecodeError, Event};
use eai_core::envelope::{Envelope, TypeParts};
use eai_core::log;
use sqlx::sqlite::SqliteConnection;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::Error;

/// An event as the tables see it.
#[derive(Debug)]
pub(crate) struct Fact<'a> {
    pub(crate) event_type: TypeParts<'a>,
    pub(crate) aggregate: &'a str,
    pub(crate) account: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) time: String,
    pub(crate) data: &'a str,
    pub(crate) sequence: i64,
}

impl<'a> Fact<'a> {
    pub(crate) fn new(envelope: &'a Envelope<'a>, sequence: u64) -> Result<Self, Error> {
        let damaged = |what: &dyn std::fmt::Display| {
            Error::Log(log::Error::Damaged(format!("event {sequence}: {what}")))
        };
        Ok(Self {
            event_type: envelope.type_parts().map_err(|error| damaged(&error))?,
            aggregate: envelope.aggregate_id(),
            account: &envelope.account,
            actor: &envelope.actor,
            time: envelope
                .time
                .format(&Rfc3339)
                .map_err(|error| damaged(&error))?,
            data: envelope.data.get(),
            sequence: super::checkpoint::number(sequence),
        })
    }

    /// Its time and so many milliseconds.
    fn later(&self, milliseconds: u64) -> Option<String> {
        let time = OffsetDateTime::parse(&self.time, &Rfc3339).ok()?;
        let later = time.checked_add(Duration::milliseconds(i64::try_from(milliseconds).ok()?))?;
        later.format(&Rfc3339).ok()
    }

    fn decode<A: Aggregate>(&self) -> Result<A::Event, DecodeError> {
        A::Event::decode(self.event_type.name, self.event_type.version, self.data)
    }
}

/// Changes the tables. The inner error is an event that this version cannot read: it changes nothing.
pub(crate) async fn apply(
    connection: &mut SqliteConnection,
    fact: &Fact<'_>,
) -> Result<Result<(), DecodeError>, Error> {
    macro_rules! kinds {
        ($($module:ident $aggregate:ty,)+) => {
            match fact.event_type.kind {
                $(kind if kind == <$aggregate>::KIND => match fact.decode::<$aggregate>() {
                    Ok(event) => {
                        $module::apply(connection, fact, event).await?;
                        Ok(Ok(()))
                    }
                    Err(unreadable) => Ok(Err(unreadable)),
                },)+
                kind => Ok(Err(DecodeError::Unknown {
                    name: format!("{kind}.{}", fact.event_type.name),
                    version: fact.event_type.version,
                })),
            }
        };
    }
    kinds! {
        account eai_core::account::AccountAggregate,
        data eai_core::data::DataAggregate,
        executor eai_core::executor::ExecutorAggregate,
        job eai_core::job::JobAggregate,
        name eai_core::name::NameAggregate,
        role eai_core::role::RoleAggregate,
        service eai_core::service::ServiceAggregate,
        platform eai_core::platform::PlatformAggregate,
        worker eai_core::worker::WorkerAggregate,
    }
}
