//! The HTTP listener: connections with deadlines and a bound on their number, and an orderly end.
//!
//! `axum::serve` has no timeouts of any kind, so the connections are built by hand.

mod drain;
mod http2;
mod protocol;
mod site;
mod socket;
mod threads;
mod timer;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use site::Sites;
pub use tls::{Tls, TlsError};

use crate::ingress::{Backends, Client, Connector};
use drain::Drain;
use protocol::Served;
use threads::Threads;

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
    /// Threads that they are spread over.
    pub threads: usize,
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
            // The other half is for those whom the requests are for.
            threads: std::thread::available_parallelism()
                .map_or(1, |cores| cores.get().div_ceil(2)),
        }
    }
}

/// Serves `sites` until `stop`, then lets the requests in flight end. An error is that threads could not be started.
///
/// A connection stays on one thread, together with those to applications that its requests take: waking another
/// thread would cost more than most requests. With `tls`, nothing else is spoken; each connection shows what is newest
/// when it begins.
pub fn serve<B: Backends, C: Connector>(
    listener: TcpListener,
    sites: &Sites<B, C>,
    limits: Limits,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    stop: CancellationToken,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let threads = Threads::start(limits.threads, || sites.beside())?;
    Ok(accept_all(listener, threads, limits, tls, stop))
}

async fn accept_all<B: Backends, C: Connector>(
    listener: TcpListener,
    threads: Threads<Sites<B, C>>,
    limits: Limits,
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
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
        let (thread, seat) = threads.least_busy();
        let served = Served {
            sites: Arc::clone(&thread.state),
            client,
            limits,
            ending: connections.ending(),
        };
        let tls = tls.as_ref().map(|newest| Arc::clone(&newest.borrow()));
        connections.spawn(&thread.handle, async move {
            let ended = match (TcpStream::from_std(stream), tls) {
                (Ok(stream), None) => protocol::plain(stream, served).await,
                (Ok(stream), Some(tls)) => protocol::encrypted(stream, tls, served).await,
                (Err(error), _) => Err(error.into()),
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "http.connection");
            }
            drop(seat);
        });
    }
    drop(listener);
    if !connections.end(limits.drain).await {
        tracing::warn!("http.drain: requests were still in flight");
    }
}

/// The next connection, bound to no thread yet.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(std::net::TcpStream, Client)> {
    let slot: OwnedSemaphorePermit = Arc::clone(slots).acquire_owned().await.ok()?;
    let accepted = listener.accept().await.and_then(|(stream, address)| {
        stream.set_nodelay(true)?;
        Ok((stream.into_std()?, address))
    });
    match accepted {
        Ok((stream, address)) => Some((stream, Client::new(address.ip()).holding(slot))),
        Err(error) => {
            // Out of descriptors, most likely: a pause lets connections end, and the loop goes on.
            tracing::warn!(%error, "http.accept");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
