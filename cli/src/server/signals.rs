//! What tells the platform to end: SIGTERM, and Ctrl-C in its terminal.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// The signals that end the platform.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// SIGTERM: the platform may come back.
    Terminated,
    /// Ctrl-C: its user is done.
    Interrupted,
}

/// Listens from now on.
pub(crate) fn listen() -> Result<Stop, Error> {
    let listen = |kind| signal(kind).map_err(Error::Signals);
    Ok(Stop {
        terminate: listen(SignalKind::terminate())?,
        interrupt: listen(SignalKind::interrupt())?,
    })
}

impl Stop {
    /// Waits for one of them; says which.
    pub(crate) async fn recv(&mut self) -> Reason {
        tokio::select! {
            _ = self.terminate.recv() => Reason::Terminated,
            _ = self.interrupt.recv() => Reason::Interrupted,
        }
    }
}
