//! The HTTP listener: connections with deadlines and a bound on their number, and an orderly end.
//!
//! `axum::serve` has no timeouts of any kind, so the connections are built by hand.

mod drain;
mod site;
mod socket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub use site::Sites;

use crate::ingress::{Backends, Client, Connector, RequestBody};
use drain::Drain;
use socket::Socket;

/// The largest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// How long peers may take, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request's head, and a connection without a request.
    pub head: Duration,
    /// A request's body without a byte, while somebody waits for one.
    pub body_stall: Duration,
    /// An answer of which the client takes no byte.
    pub read_stall: Duration,
    /// Requests in flight once the platform stops.
    pub drain: Duration,
    /// Connections at a time.
    pub connections: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body_stall: Duration::from_mins(1),
            read_stall: Duration::from_mins(1),
            drain: Duration::from_secs(3),
            connections: 8192,
        }
    }
}

/// Serves `sites` until `stop`, then lets the requests in flight end.
pub async fn serve<B: Backends, C: Connector>(
    listener: TcpListener,
    sites: Sites<B, C>,
    limits: Limits,
    stop: CancellationToken,
) {
    let connections = Drain::default();
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, client)) = accepted else {
            continue;
        };
        let served = Arc::new((sites.clone(), client));
        let service = service_fn(move |request: Request<Incoming>| {
            let served = Arc::clone(&served);
            async move {
                let (sites, client) = &*served;
                let request = request.map(|body| RequestBody::new(body, limits.body_stall));
                Ok::<_, Infallible>(sites.answer(client, request).await)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD)
            .serve_connection(Socket::new(stream, limits.read_stall), service)
            .with_upgrades();
        connections.spawn(connection);
    }
    drop(listener);
    if !connections.end(limits.drain).await {
        tracing::warn!("http.drain: requests were still in flight");
    }
}

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, Client)> {
    let slot: OwnedSemaphorePermit = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "http.nodelay");
            }
            Some((stream, Client::new(address.ip()).holding(slot)))
        }
        Err(error) => {
            // Out of descriptors, most likely: a pause lets connections end, and the loop goes on.
            tracing::warn!(%error, "http.accept");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
