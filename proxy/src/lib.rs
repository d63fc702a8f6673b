//! Everything of eai that speaks HTTP to users: the API, the tokens it takes, and the listener under it.
//!
//! It turns requests into commands and views into answers. It never writes a view and never starts a job.

pub mod api;
pub mod auth;
pub mod listener;
