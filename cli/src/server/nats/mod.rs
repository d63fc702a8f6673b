//! The nats-server of this platform: its binary, keys, configuration, port and process.
//!
//! Owns `keys/`, `nats/` and `credentials/` of the data directory. It knows nothing of streams
//! and events: it hands out an address and credentials, and keeps the server running.

mod binary;
mod config;
mod error;
mod files;
mod keys;
mod logs;
pub(crate) mod port;
mod probe;
mod process;
mod supervisor;
mod tokens;

#[cfg(test)]
mod tests;

pub(crate) use binary::Search;
pub(crate) use config::WebSocket;
pub(crate) use error::Error;
pub(crate) use keys::Keys;
pub(crate) use supervisor::{Settings, Supervisor, Timeouts};

use binary::Version;
