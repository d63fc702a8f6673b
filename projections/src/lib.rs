//! The read side: tables folded from the event log, and the questions they answer.
//!
//! Nobody writes a table but the projector, which handles each event once and keeps its checkpoint in the
//! same transaction. What is here can be thrown away and folded anew. It knows nothing of HTTP.

mod catch_up;
mod checkpoint;
mod copying;
mod database;
mod error;
mod executors;
mod fold;
mod jobs;
mod live;
mod monitors;
mod past;
mod project;
mod projector;
mod query;
mod reader;
mod rebuild;
mod revisions;
mod rows;
mod scrub;
mod snapshots;
mod store;
mod verify;
mod versions;
mod views;
mod writes;

pub use database::set_aside;
pub use error::Error;
pub use executors::{ExecutorRow, Reserved};
pub use jobs::{JobFilter, JobRow, RunRow};
pub use monitors::MonitorRow;
pub use past::Past;
pub use projector::Projector;
pub use query::{Page, Scope};
pub use rebuild::Rebuilt;
pub use revisions::{Left, RevisionRow};
pub use rows::{
    AccountRow, DataRow, KeyRow, OrganizationRow, RoleRow, ServiceRow, UserRow, VersionRow,
};
pub use store::{Store, open};
pub use verify::{Difference, Parked, Verified};
pub use views::Views;
