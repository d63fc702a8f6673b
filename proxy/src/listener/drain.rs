//! Connections that are told to end once their requests are answered.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::BoxError;
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::HttpService;
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// The connections there are.
#[derive(Debug, Default)]
pub(super) struct Drain {
    connections: TaskTracker,
    ending: Ending,
}

/// Tells a connection that it is to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    now: Arc<AtomicBool>,
    wake: CancellationToken,
}

// === impl Drain ===

impl Drain {
    /// For a connection.
    pub(super) fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Runs a connection somewhere.
    pub(super) fn spawn(
        &self,
        handle: &Handle,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        self.connections.spawn_on(connection, handle);
    }

    /// Tells all to end, and waits for it. False where some did not in time.
    pub(super) async fn end(self, patience: Duration) -> bool {
        self.ending.now.store(true, Ordering::Release);
        self.ending.wake.cancel();
        self.connections.close();
        let ended = tokio::time::timeout(patience, self.connections.wait()).await;
        ended.is_ok()
    }
}

// === impl Ending ===

impl Ending {
    /// Waits until all are told to end.
    pub(super) fn told(&self) -> WaitForCancellationFutureOwned {
        self.wake.clone().cancelled_owned()
    }

    /// Runs a connection of HTTP/1.1 until its end, or the one that is told to all.
    pub(super) async fn watch<I, S>(
        self,
        connection: UpgradeableConnection<I, S>,
    ) -> Result<(), BoxError>
    where
        I: Read + Write + Unpin + Send + 'static,
        S: HttpService<Incoming> + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        S::ResBody: Body + Send + 'static,
        <S::ResBody as Body>::Data: Send,
        <S::ResBody as Body>::Error: Into<BoxError>,
    {
        let mut connection = pin!(connection);
        let mut wake = pin!(self.wake.cancelled_owned());
        let (mut listens, mut told) = (false, false);
        poll_fn(|cx| {
            // A task has one waker, so once is enough; each poll would take a lock that all share.
            if !listens {
                listens = wake.as_mut().poll(cx).is_pending();
            }
            if !told && self.now.load(Ordering::Acquire) {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(cx)
        })
        .await?;
        Ok(())
    }
}
