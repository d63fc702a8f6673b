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
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The connections there are.
#[derive(Debug, Default)]
pub(super) struct Drain {
    connections: TaskTracker,
    ending: Arc<AtomicBool>,
    wake: CancellationToken,
}

impl Drain {
    /// Runs a connection, until its end or the one that is told to all.
    pub(super) fn spawn<I, S>(&self, connection: UpgradeableConnection<I, S>)
    where
        I: Read + Write + Unpin + Send + 'static,
        S: HttpService<Incoming> + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        S::ResBody: Body + Send + 'static,
        <S::ResBody as Body>::Data: Send,
        <S::ResBody as Body>::Error: Into<BoxError>,
    {
        let (ending, wake) = (Arc::clone(&self.ending), self.wake.clone());
        self.connections.spawn(async move {
            let mut connection = pin!(connection);
            let mut wake = pin!(wake.cancelled_owned());
            let (mut listens, mut told) = (false, false);
            let ended = poll_fn(|cx| {
                // A task has one waker, so once is enough; each poll would take a lock that all share.
                if !listens {
                    listens = wake.as_mut().poll(cx).is_pending();
                }
                if !told && ending.load(Ordering::Acquire) {
                    told = true;
                    connection.as_mut().graceful_shutdown();
                }
                connection.as_mut().poll(cx)
            })
            .await;
            if let Err(error) = ended {
                tracing::debug!(%error, "http.connection");
            }
        });
    }

    /// Tells all to end, and waits for it. False where some did not in time.
    pub(super) async fn end(self, patience: Duration) -> bool {
        self.ending.store(true, Ordering::Release);
        self.wake.cancel();
        self.connections.close();
        let ended = tokio::time::timeout(patience, self.connections.wait()).await;
        ended.is_ok()
    }
}
