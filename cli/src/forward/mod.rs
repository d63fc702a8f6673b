//! A port of this machine that speaks to the platform as its user, for programs that cannot add a token.
//!
//! Owns the listener and its bounds. Who may use it is in `guard`, whom a request is for in `target`, and its way there
//! and back in `exchange`.

mod credential;
mod exchange;
mod guard;
mod headers;
mod refused;
mod target;

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use credential::Credential;
pub(crate) use target::{Host, Sites};

use exchange::Exchange;

/// How long a request's head may take, and a connection without a request.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The largest head.
const MAX_HEAD: usize = 64 * 1024;
/// Connections at a time.
const CONNECTIONS: usize = 1024;
/// How long requests in flight may take once it is told to end.
const DRAIN: Duration = Duration::from_secs(3);

/// The port.
pub(crate) struct Forward {
    listener: TcpListener,
    port: u16,
}

// === impl Forward ===

impl Forward {
    /// Takes a port of the loopback interface, or a free one for 0.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Its number.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where programs find it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves until `stop`, then lets the requests in flight end.
    pub(crate) async fn serve(
        self,
        sites: Sites,
        credential: Credential,
        stop: impl Future<Output = ()>,
    ) {
        let exchange = Arc::new(Exchange::new(self.port, sites, credential));
        let (connections, ending) = (TaskTracker::new(), CancellationToken::new());
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &slots) => accepted,
            };
            if let Some((stream, slot)) = accepted {
                let exchange = Arc::clone(&exchange);
                connections.spawn(serve(stream, slot, exchange, ending.clone()));
            }
        }
        drop(self.listener);
        ending.cancel();
        connections.close();
        // Who does not end in time is cut off by the end of the process.
        drop(tokio::time::timeout(DRAIN, connections.wait()).await);
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            // Out of descriptors, most likely: a pause lets connections end, and the loop goes on.
            tracing::debug!(%error, "forward.accept");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Serves one connection to its end.
async fn serve(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    exchange: Arc<Exchange>,
    ending: CancellationToken,
) {
    // Short answers would wait for each other otherwise; where it cannot be set, they do.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let exchange = Arc::clone(&exchange);
        async move { Ok::<_, Infallible>(exchange.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "forward.connection");
    }
    drop(slot);
}
