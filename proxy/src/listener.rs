//! The HTTP listener: connections with deadlines and a bound on their number, and an orderly end.
//!
//! `axum::serve` has no timeouts of any kind, so the connections are built by hand.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a client may take to send a request's head, and how long a connection may idle.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long requests in flight may take once the platform stops.
const DRAIN_TIME: Duration = Duration::from_secs(3);
/// The most connections at a time.
const MOST_CONNECTIONS: usize = 8192;
/// The largest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// Serves until `stop`, then lets the requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let service = TowerToHyperService::new(
        router.map_request(|request: Request<Incoming>| request.map(Body::new)),
    );
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else {
            continue;
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service.clone());
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "http.connection");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("http.drain: requests were still in flight");
    }
}

type Slot = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, Slot)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "http.nodelay");
            }
            Some((stream, slot))
        }
        Err(error) => {
            // Out of descriptors, most likely: a pause lets connections end, and the loop goes on.
            tracing::warn!(%error, "http.accept");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
