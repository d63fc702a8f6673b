//! What tells the platform to end: SIGTERM, and Ctrl-C in its terminal.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Error;

/// The signals that end the platform.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
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
    /// Waits for one of them.
    pub(crate) async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
