//! What may be asked of a service.

use super::Created;

/// A command to one service.
#[derive(Clone, Debug)]
pub enum Command {
    /// Make it.
    Create(Created),
    /// Let it run jobs and take traffic.
    Start,
    /// End its jobs and take no traffic.
    Stop,
    /// Put it away: name, data and history stay.
    Deactivate,
    /// Bring it back as it was before it was deactivated.
    Reactivate,
}
