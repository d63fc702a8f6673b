//! When the certificate and key of the listener are read: at the start, and again as their files change or SIGHUP says so.

use std::time::Duration;

use eai_proxy::listener::Tls;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::Error;
use crate::args::ServeArgs;

/// How often the files are looked at: whoever renews a certificate does so days before the old one ends.
const LOOK: Duration = Duration::from_secs(5);

/// What the listener is to show, if anything.
pub(super) fn load(args: &ServeArgs) -> Result<Option<Tls>, Error> {
    match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => Ok(Some(Tls::load(certificates, key)?)),
        // One without the other is no command line.
        _ => Ok(None),
    }
}

/// Keeps what the listener shows as new as the files. Ends when it is aborted.
pub(super) fn reload(mut tls: Tls) -> Result<JoinHandle<()>, Error> {
    let mut hangup = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    Ok(tokio::spawn(async move {
        let mut told = String::new();
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            // Two small files: nobody waits for this but this task.
            match tokio::task::block_in_place(|| tls.reload()) {
                Ok(true) => {
                    told.clear();
                    tracing::info!("tls.reload");
                }
                Ok(false) => {}
                Err(error) => {
                    let error = error.to_string();
                    // A file that is away is seen again and again.
                    if error != told {
                        tracing::error!(%error, "tls.reload: the certificate and key from before are kept");
                        told = error;
                    }
                }
            }
        }
    }))
}
