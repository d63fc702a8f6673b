//! Everything of eai that speaks HTTP to users: the API, the tokens it takes, the reverse proxy to services,
//! and the listener under them.
//!
//! It turns requests into commands and views into answers. It never writes a view and never starts a job.

pub mod api;
pub mod auth;
pub mod content;
mod deadline;
pub mod door;
mod gather;
pub mod ingress;
pub mod listener;
pub mod metrics;
pub mod revise;
pub mod routing;
pub mod task;
pub mod traffic;
