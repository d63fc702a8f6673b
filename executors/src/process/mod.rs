//! Runs commands in sandboxes of bubblewrap, each under a shim that outlives this process.
//!
//! It must not know jobs or events: a run has a name, and whoever names it knows why it runs.

mod error;
mod found;
mod freeze;
mod output;
mod probe;
mod running;
mod start;

pub use error::{RunError, StartError, Unusable};
pub use found::sweep;
pub use output::Output;
pub use running::Running;
pub use start::{Process, Settings};
