//! Where the jobs of eai run: executors, and the sandboxed processes and containers that they start.
//!
//! It must not know views or HTTP routes: executors follow events and answer with commands.

mod answered;
pub mod backend;
pub mod data;
pub mod docker;
mod environment;
pub mod executor;
pub mod limits;
mod listening;
pub mod process;
mod queue;
pub mod shim;
mod spool;
