//! What is spoken on a connection: TLS or not, HTTP/1.1 or HTTP/2, which may begin at once (RFC 9113 §3.3).

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::BoxError;
use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::drain::Ending;
use super::site::Sites;
use super::socket::Socket;
use super::timer::HeadTimer;
use super::{Limits, MAX_HEAD, http2, tls};
use crate::gather::Gather;
use crate::ingress::{Backends, Client, Connector, RequestBody};

/// What a client of HTTP/2 says first, and nobody else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much is read at first: a usual head.
const FIRST: usize = 4096;
/// What a client of TLS says first: a handshake.
const HANDSHAKE: u8 = 22;
/// What one learns who does not begin with TLS where there is nothing else.
const SPEAKS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
    this port speaks TLS: use https://\n";

/// What is the same for all requests of a connection.
pub(super) struct Served<B, C> {
    pub(super) sites: Arc<Sites<B, C>>,
    pub(super) client: Client,
    pub(super) limits: Limits,
    pub(super) ending: Ending,
}

/// Serves a connection without TLS to its end.
pub(super) async fn plain<B: Backends, C: Connector>(
    mut stream: TcpStream,
    served: Served<B, C>,
) -> Result<(), BoxError> {
    let Some(early) = in_time(&served.limits, first(&mut stream)).await? else {
        return Ok(());
    };
    let prior_knowledge = early.starts_with(PREFACE);
    let socket = Socket::new(Gather::new(stream), early, served.limits.read_stall);
    if prior_knowledge {
        return Box::pin(http2::serve(socket, served)).await;
    }
    http1(socket, served).await
}

/// Serves a connection with TLS to its end.
pub(super) async fn encrypted<B: Backends, C: Connector>(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    served: Served<B, C>,
) -> Result<(), BoxError> {
    let limits = &served.limits;
    let mut byte = [0];
    match in_time(limits, stream.peek(&mut byte)).await? {
        Some(1) if byte[0] != HANDSHAKE => {
            stream.write_all(SPEAKS_TLS).await?;
            return Ok(stream.shutdown().await?);
        }
        Some(1) => {}
        _ => return Ok(()),
    }
    let accepting = TlsAcceptor::from(config).accept(stream);
    let Some(stream) = in_time(limits, accepting).await? else {
        return Ok(());
    };
    let agreed = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP_2);
    let socket = Socket::new(TokioIo::new(stream), Bytes::new(), limits.read_stall);
    if agreed {
        return Box::pin(http2::serve(socket, served)).await;
    }
    http1(socket, served).await
}

/// What comes before the first head, or None where it took too long.
async fn in_time<T>(
    limits: &Limits,
    begin: impl Future<Output = io::Result<T>>,
) -> io::Result<Option<T>> {
    let begun = tokio::time::timeout(limits.head, begin).await;
    begun.ok().transpose()
}

/// The first bytes: enough to tell what is spoken. Nothing, where the client went away.
async fn first(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut early = BytesMut::with_capacity(FIRST);
    while early.len() < PREFACE.len() && PREFACE.starts_with(&early) {
        if stream.read_buf(&mut early).await? == 0 {
            break;
        }
    }
    Ok(early.freeze())
}

async fn http1<B: Backends, C: Connector, S: Read + Write + Send + Unpin + 'static>(
    socket: Socket<S>,
    served: Served<B, C>,
) -> Result<(), BoxError> {
    let Served {
        sites,
        client,
        limits,
        ending,
    } = served;
    let served = Arc::new((sites, client));
    let service = service_fn(move |request: Request<Incoming>| {
        let served = Arc::clone(&served);
        async move {
            let (sites, client) = &*served;
            let request = with_deadline(request, limits.body_stall);
            Ok::<_, Infallible>(sites.answer(client, request).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(HeadTimer::default())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(socket, service)
        .with_upgrades();
    ending.watch(connection).await
}

/// A request whose body may not stall.
pub(super) fn with_deadline(request: Request<Incoming>, stall: Duration) -> Request<RequestBody> {
    request.map(|body| RequestBody::new(body, stall))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is read first of a client that sends these pieces, each once the one before was read.
    async fn read_first(pieces: &[&[u8]]) -> Bytes {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut near, mut far) = (near.unwrap(), far.unwrap().0);
        near.set_nodelay(true).unwrap();
        let send = async {
            for piece in pieces {
                near.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            near.shutdown().await.unwrap();
        };
        let (read, ()) = tokio::join!(first(&mut far), send);
        read.unwrap()
    }

    #[tokio::test]
    async fn the_beginning_tells_what_is_spoken() {
        let http2 = |read: &Bytes| read.starts_with(PREFACE);
        assert!(http2(&read_first(&[PREFACE, b"more"]).await));
        let letters: Vec<&[u8]> = PREFACE.chunks(1).collect();
        assert!(http2(&read_first(&letters).await));
        for other in [
            &[&b"GET / HTTP/1.1\r\n\r\n"[..]] as &[&[u8]],
            &[b"P", b"R", b"OPFIND / HTTP/1.1\r\n\r\n"],
            &[b"PRI"],
            &[b""],
        ] {
            let read = read_first(other).await;
            assert!(!http2(&read), "{read:?}");
            let sent = other.concat();
            assert!(sent.starts_with(&read), "{read:?} of {sent:?}");
            assert_eq!(read.is_empty(), sent.is_empty());
        }
    }
}
