//! Where the jobs of eai run. For now: finding out which backend this machine has.
//!
//! It must not know views or HTTP routes: executors follow events and answer with commands.

mod backend;

pub use backend::{Backend, Choice, choose};
