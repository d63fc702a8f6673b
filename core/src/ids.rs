//! Typed ids. Ids made by a command are derived from it, so that a retry of the command makes the same ones.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated form: what is written is what is read.
                let hyphenated = if text.len() == 36 { text } else { "" };
                Uuid::try_parse(hyphenated).map(Self)
            }
        }
    )*};
}

ids! {
    /// One running of the platform's log, made at its first start.
    PlatformId,
    /// An organization: the first part of every full name.
    OrganizationId,
    /// An account within an organization.
    AccountId,
    /// A person, or something that acts like one.
    UserId,
    /// A role: policies, and who holds them.
    RoleId,
    /// A key that holds a role.
    KeyId,
    /// A versioned set of files.
    DataId,
    /// A service.
    ServiceId,
    /// A job: one execution from start to end, in one or more runs.
    JobId,
    /// A task: something that a worker of a service is to do.
    TaskId,
    /// Where jobs run.
    ExecutorId,
    /// Credentials of a monitor.
    MonitorId,
    /// A command, chosen by the client: the idempotency key.
    CommandId,
    /// An event in the log.
    EventId,
}

impl TaskId {
    /// The id of the task that has this key in a service: the same key is the same task, whoever submits it.
    pub fn keyed(service: ServiceId, key: &str) -> Self {
        Self(Uuid::new_v5(&service.0, format!("task/{key}").as_bytes()))
    }
}

impl CommandId {
    /// The id of the `index`th aggregate that this command makes (UUIDv5, RFC 9562 §5.5).
    pub fn aggregate(self, index: u32) -> Uuid {
        Uuid::new_v5(&self.0, format!("aggregate/{index}").as_bytes())
    }

    /// The id of the `index`th event that this command appends to the aggregate `kind/id`.
    ///
    /// The aggregate takes part, so that a key used twice on two aggregates never makes two events with one id.
    pub fn event(self, kind: &str, id: &str, index: u32) -> EventId {
        EventId(Uuid::new_v5(
            &self.0,
            format!("event/{kind}/{id}/{index}").as_bytes(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_repeat_and_differ() {
        let command = CommandId(Uuid::from_u128(7));
        assert_eq!(command.aggregate(0), command.aggregate(0));
        assert_ne!(command.aggregate(0), command.aggregate(1));
        assert_ne!(command.event("data", "a", 0), command.event("data", "b", 0));
        assert_ne!(command.event("data", "a", 0), command.event("data", "a", 1));
        // Written in every log: never to change.
        assert_eq!(
            command.aggregate(0).to_string(),
            "55ebd938-67e9-557b-a833-7f493acd8231"
        );
        let service = ServiceId(Uuid::from_u128(7));
        assert_ne!(TaskId::keyed(service, "a"), TaskId::keyed(service, "b"));
    }
}
