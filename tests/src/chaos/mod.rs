//! Faults at random moments under concurrent writers: one recorded history, one offline checker.
//!
//! [`run()`] starts a platform, lets writers send commands while it kills and freezes processes, and writes
//! everything down: what was asked and answered, what is in the log, what the views show.
//! [`checker`] judges these records and nothing else, so a run can be judged again without a platform.

pub mod checker;
mod client;
mod faults;
pub mod history;
pub mod options;
mod record;
mod run;
mod schedule;
mod stored;
mod writer;

pub use options::Options;
pub use record::Record;
pub use run::run;
