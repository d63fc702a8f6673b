//! What can have happened to a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Status;
use crate::aggregate::events;
use crate::ids::{DataId, RoleId, ServiceId};
use crate::names::{FullName, Name};

/// A service was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Its id.
    pub id: ServiceId,
    /// Its name in the account.
    pub name: Name,
    /// The data that is mounted in its jobs.
    pub runtime: Resource<DataId>,
    /// The role that its jobs have.
    pub role: Resource<RoleId>,
    /// Its first status.
    pub status: Status,
}

/// Something that a service refers to, as it was named then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resource<Id> {
    /// Its id.
    pub id: Id,
    /// Its full name.
    pub full_name: FullName,
}

/// A service may run jobs and take traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Started {}

/// A service takes no traffic and its jobs end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stopped {}

/// A service was put away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deactivated {}

/// A service was brought back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reactivated {
    /// The status it has from now on.
    pub status: Status,
}

events! {
    /// What can have happened to a service.
    pub enum Event {
        /// A service was made.
        Created(Created) = "created" 1,
        /// A service may run jobs and take traffic.
        Started(Started) = "started" 1,
        /// A service takes no traffic and its jobs end.
        Stopped(Stopped) = "stopped" 1,
        /// A service was put away; name, data and history stay.
        Deactivated(Deactivated) = "deactivated" 1,
        /// A service was brought back.
        Reactivated(Reactivated) = "reactivated" 1,
    }
}
