//! The event log: the one place that speaks `JetStream`.

pub mod credentials;
