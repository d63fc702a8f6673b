//! Versions of data as folders that runs may read: made once, shared by all runs of one machine.
//!
//! Contents are kept by digest and linked into a folder for each version. The cache is this machine's own: it
//! can be thrown away, and is after a power loss, since files may be torn then.

mod cache;
pub mod pip;
mod tree;

pub use cache::Error;
pub(crate) use cache::{Cache, Tree};
