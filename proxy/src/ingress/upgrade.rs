//! Connections that are no longer HTTP: bytes are passed on both ways until both sides have ended.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use eai_core::flights::Flight;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::TcpStream;

const BUFFER: usize = 16 * 1024;
/// How long a client may take to notice that its connection was ended.
const LEAVE: Duration = Duration::from_secs(2);

/// Joins a client with an application that has said `early` already. Once one side has ended, the other one
/// may be silent for `half_open`. Where the flight has to end, the client is told so by the end of what it reads.
pub(super) async fn join(
    client: OnUpgrade,
    mut stream: TcpStream,
    early: Bytes,
    half_open: Duration,
    flight: Option<Flight>,
) {
    let client = match client.await {
        Ok(client) => TokioIo::new(client),
        Err(error) => {
            tracing::debug!(%error, "ingress.upgrade");
            return;
        }
    };
    let (mut client_reads, mut client_writes) = split(client);
    if client_writes.write_all(&early).await.is_err() {
        return;
    }
    let (stream_reads, stream_writes) = stream.split();
    let joined = joined(
        (&mut client_reads, stream_writes),
        (stream_reads, &mut client_writes),
        half_open,
    );
    let over = async {
        match &flight {
            Some(flight) => flight.until_over().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = joined => return,
        () = over => {}
    }
    // Nothing more goes to the application.
    drop((stream, flight));
    leave(client_reads, client_writes).await;
}

/// Passes on both ways.
async fn joined(
    (client_reads, stream_writes): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    (stream_reads, client_writes): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    half_open: Duration,
) {
    let moved = AtomicU64::new(0);
    let up = pump(client_reads, stream_writes, &moved);
    let down = pump(stream_reads, client_writes, &moved);
    tokio::pin!(up, down);
    let ended = tokio::select! {
        ended = &mut up => ended.map(|()| true),
        ended = &mut down => ended.map(|()| false),
    };
    let Ok(up_ended) = ended else {
        return;
    };
    loop {
        let before = moved.load(Ordering::Relaxed);
        tokio::select! {
            _ = &mut down, if up_ended => return,
            _ = &mut up, if !up_ended => return,
            () = tokio::time::sleep(half_open) => {
                if moved.load(Ordering::Relaxed) == before {
                    return;
                }
            }
        }
    }
}

/// Ends a connection so that the client reads to an end: what it still says is read and dropped, since unread bytes
/// would make a reset of it.
async fn leave(mut reads: impl AsyncRead + Unpin, mut writes: impl AsyncWrite + Unpin) {
    let left = async {
        writes.shutdown().await?;
        tokio::io::copy(&mut reads, &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = tokio::time::timeout(LEAVE, left).await {
        tracing::debug!(%error, "ingress.leave");
    }
}

/// Passes on what is read until there is no more, and says so to the other side.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}
