//! A proxy with routes that a test chooses, applications that do what a test says, and clients by hand.

mod application;
mod proxy;
mod wire;

use std::time::Duration;

pub(crate) use application::{Application, ok};
pub(crate) use proxy::{Proxy, request};
pub(crate) use wire::{Head, Wire};

/// Nothing in these tests takes longer, unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What `future` gives, within the patience of a test.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
