//! Who calls: tokens and keys, and the one place that says what a caller may do.

mod caller;
mod gate;
mod needs;
mod rate;
mod session;
mod token;

pub use caller::{Caller, bearer};
pub use gate::Gate;
pub(crate) use gate::{KEY_PREFIX, Known, Who, goes_on, is_not_revoked};
pub(crate) use needs::Needs;
pub use rate::Rates;
pub(crate) use session::open as open_session;
pub use token::{Claims, Kind, Rejected, RunOf, Tokens};
