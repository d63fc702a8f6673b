//! The event log against a real nats-server: the one `EAI_NATS_SERVER` names, else on `PATH`.
//!
//! Each test has a server of its own on a free loopback port, and ends it. They wait on conditions, never for a time.
#![cfg(feature = "log")]

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "clocks and ids come from outside, and a test is outside"
)]
mod log {
    mod append;
    mod commands;
    mod damage;
    mod doubt;
    mod full;
    mod objects;
    mod output;
    mod page;
    mod relay;
    mod server;
    mod setup;
    mod snapshots;
    mod storage;
    mod subscribe;
    mod support;
    mod tasks;
}
