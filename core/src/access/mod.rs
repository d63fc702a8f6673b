//! Who may do what: policies, and what somebody who holds several of them may do to a thing.
//!
//! Pure matching of texts and ids. It knows no token, no request and no table of operations.

mod grants;
mod policy;

pub use grants::{Grant, Grants, Place, Thing};
pub use policy::{BadPolicy, Policy};
