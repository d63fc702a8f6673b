//! What black-box tests stand on: the real binary, in a home of its own, with the real NATS.
//!
//! Tests wait on conditions with deadlines; nothing here sleeps to let something happen.

pub mod chaos;
mod nats;
mod platform;
mod wait;

pub use nats::{Event, Monitor};
pub use platform::{Output, Platform, Setup};
pub use wait::{until, within};
