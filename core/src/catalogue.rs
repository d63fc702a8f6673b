//! Every event type there is: from here come `docs/events.md`, the JSON Schemas and the golden files' test.

use crate::account::AccountAggregate;
use crate::aggregate::{Aggregate, DecodeError, Entry, Event};
use crate::data::DataAggregate;
use crate::envelope::TypeParts;
use crate::executor::ExecutorAggregate;
use crate::job::JobAggregate;
use crate::name::NameAggregate;
use crate::platform::PlatformAggregate;
use crate::role::RoleAggregate;
use crate::service::ServiceAggregate;
use crate::task::TaskAggregate;
use crate::worker::WorkerAggregate;

macro_rules! aggregates {
    ($($aggregate:ty,)+) => {
        /// Every kind with its event types.
        pub fn kinds() -> Vec<(&'static str, Vec<Entry>)> {
            vec![$((<$aggregate>::KIND, <$aggregate as Aggregate>::Event::catalogue()),)+]
        }

        /// Checks that this version can read a payload.
        pub fn check(event: TypeParts<'_>, data: &str) -> Result<(), DecodeError> {
            match event.kind {
                $(<$aggregate>::KIND => {
                    <$aggregate as Aggregate>::Event::decode(event.name, event.version, data)?;
                    Ok(())
                })+
                _ => Err(DecodeError::Unknown { name: event.to_string(), version: event.version }),
            }
        }
    };
}

aggregates! {
    AccountAggregate,
    DataAggregate,
    ExecutorAggregate,
    JobAggregate,
    NameAggregate,
    PlatformAggregate,
    RoleAggregate,
    ServiceAggregate,
    TaskAggregate,
    WorkerAggregate,
}
