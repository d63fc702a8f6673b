//! The domain of eai, and the one place that speaks JetStream.
//!
//! Everything but [`log`] and what is behind its feature is pure: no clock, no task, no random source, no network. Time and ids come in
//! with the command. `cargo check --no-default-features` proves it, since the IO crates are not there then.

pub mod access;
pub mod account;
pub mod aggregate;
pub mod catalogue;
pub mod command;
pub mod data;
pub mod digest;
pub mod envelope;
pub mod executor;
pub mod fail_point;
pub mod health;
pub mod ids;
pub mod job;
pub mod lease;
pub mod name;
pub mod names;
pub mod platform;
pub mod policy;
pub mod role;
pub mod service;
pub mod spec;
pub mod story;
pub mod subject;
pub mod task;
pub mod trace;
pub mod worker;

#[cfg(feature = "log")]
pub mod flights;
#[cfg(feature = "log")]
pub mod jws;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "log")]
pub mod turns;
