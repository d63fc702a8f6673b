//! Who calls: signed tokens, and the one place that says what a caller may do.

mod caller;
mod token;

pub use caller::{Caller, bearer};
pub use token::{Claims, Kind, Rejected, Tokens};
