//! Runs commands in sandboxes of bubblewrap, each under a shim that outlives this process.
//!
//! It must not know jobs or events: a run has a name, and whoever names it knows why it runs.

mod error;
mod found;
mod output;
mod probe;
mod run;
mod running;
mod start;

pub use error::{RunError, StartError, Unusable};
pub use found::{Found, State};
pub use output::Output;
pub use run::{Bind, Invalid, Run};
pub use running::Running;
pub use start::{Process, Settings};

pub use crate::shim::{ConnectError, Exit, Listening, Signal, Started};
pub use crate::spool::{Chunk, Kind};
