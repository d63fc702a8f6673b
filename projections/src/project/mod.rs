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
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::Error;
use super::writes::Writes;

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

/// What an event changes in the tables. One that this version cannot read changes nothing.
pub(crate) fn apply(fact: &Fact<'_>) -> Result<Writes, DecodeError> {
    macro_rules! kinds {
        ($($module:ident $aggregate:ty,)+) => {
            match fact.event_type.kind {
                $(kind if kind == <$aggregate>::KIND => {
                    let mut writes = Writes::default();
                    $module::apply(&mut writes, fact, &fact.decode::<$aggregate>()?);
                    Ok(writes)
                })+
                kind => Err(DecodeError::Unknown {
                    name: format!("{kind}.{}", fact.event_type.name),
                    version: fact.event_type.version,
                }),
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use eai_core::task::TaskAggregate;

    use crate::{database, writes};

    use super::*;

    #[tokio::test]
    async fn every_event_that_there_is_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = database::create(&folder.path().join("views.db"))
            .await
            .unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/golden");
        let mut written = 0;
        for entry in fs::read_dir(golden).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).unwrap();
            let envelope = Envelope::parse(&text).unwrap();
            let fact = Fact::new(&envelope, 7).unwrap();
            let writes = match apply(&fact) {
                // Tasks have a log, and views, of their own.
                Err(_) if fact.event_type.kind == TaskAggregate::KIND => continue,
                writes => writes.unwrap(),
            };
            let run = writes::run(&mut connection, &[writes]).await;
            run.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            written += 1;
        }
        assert!(written > 30, "{written}");
    }
}
