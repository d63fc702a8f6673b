//! A TCP connection that writes what is short in one piece: to gather pieces costs the kernel more than to copy a few
//! hundred bytes costs us. It knows no HTTP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The most bytes that are copied together.
const SHORT: usize = 2048;

/// The connection.
#[derive(Debug)]
pub(crate) struct Gather {
    stream: TokioIo<TcpStream>,
}

impl Gather {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream: TokioIo::new(stream),
        }
    }

    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream.into_inner()
    }
}

impl Read for Gather {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Gather {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if let [piece] = pieces {
            return stream.poll_write(cx, piece);
        }
        let mut short = [0; SHORT];
        let mut filled = 0;
        for piece in pieces {
            let Some(room) = short.get_mut(filled..filled + piece.len()) else {
                return stream.poll_write_vectored(cx, pieces);
            };
            room.copy_from_slice(piece);
            filled += piece.len();
        }
        stream.poll_write(cx, &short[..filled])
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What arrives of pieces that are written until all of them are.
    async fn arrives(pieces: &[&[u8]]) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let mut far = far.unwrap().0;
        let mut near = Gather::new(near.unwrap());
        let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        let write = async move {
            while !left.is_empty() {
                let written = poll_fn(|cx| Pin::new(&mut near).poll_write_vectored(cx, left)).await;
                IoSlice::advance_slices(&mut left, written.unwrap());
            }
            drop(near);
        };
        let mut arrived = Vec::new();
        let (read, ()) = tokio::join!(far.read_to_end(&mut arrived), write);
        read.unwrap();
        arrived
    }

    #[tokio::test]
    async fn every_byte_arrives_in_order() {
        let (exact, more) = ([7; SHORT - 3], [9; SHORT]);
        let cases: [&[&[u8]]; 5] = [
            &[b"alone"],
            &[b"head", b"", b"body"],
            &[b"now", &exact],
            &[b"more", &exact],
            &[&more, &more, b"end"],
        ];
        for pieces in cases {
            assert_eq!(arrives(pieces).await, pieces.concat());
        }
    }
}
