//! Where the jobs of eai run: executors, and the sandboxed processes that they start.
//!
//! It must not know views or HTTP routes: executors follow events and answer with commands.

pub mod data;
mod environment;
pub mod executor;
mod limits;
pub mod process;
pub mod shim;
mod spool;
