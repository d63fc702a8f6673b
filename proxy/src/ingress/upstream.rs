//! A connection to an application, driven by the exchange that uses it: no task and no queue in between.
//!
//! Whoever polls the answer polls the connection, so that a client that does not read slows the application,
//! and one that goes away ends its request.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::body::Outbound;
use super::pool::{Key, Pool};
use crate::deadline::Deadline;
use crate::gather::Gather;

/// The largest head of an answer.
const MAX_HEAD: usize = 256 * 1024;

type Connection = http1::Connection<Gather, Outbound>;

/// An open connection.
pub(super) struct Upstream {
    link: Link,
    sender: http1::SendRequest<Outbound>,
    deadline: Deadline,
}

/// What has to be polled for anything to move.
struct Link {
    /// None once it broke.
    connection: Option<Connection>,
    /// Not to be polled any more: it ended, or is no longer HTTP.
    ended: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum SendError {
    /// Nothing of the request was sent: here it is again.
    Unsent(Box<Request<Outbound>>),
    /// The connection ended before an answer began.
    Reset(Option<hyper::Error>),
    /// The deadline is over.
    Late,
}

/// An answer's body, with the connection that it comes over.
pub(super) struct Streaming {
    body: Incoming,
    /// What is there already.
    first: Option<Frame<Bytes>>,
    /// None once the connection went back to the pool, or is of no use any more.
    upstream: Option<Box<Upstream>>,
    home: Option<(Arc<Pool>, Key)>,
}

/// What there is of an answer's body at once.
pub(super) enum Arrived {
    /// All of it.
    Whole(Bytes),
    /// A part, or nothing yet.
    Streaming(Streaming),
}

/// The application ended the connection within an answer.
#[derive(Debug, thiserror::Error)]
#[error("the application ended the connection within its answer")]
struct Cut;

// === impl Upstream ===

impl Upstream {
    /// Speaks HTTP/1.1 on a connection.
    pub(super) async fn open(stream: TcpStream) -> hyper::Result<Box<Self>> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(Gather::new(stream))
            .await?;
        let link = Link {
            connection: Some(connection),
            ended: false,
        };
        let deadline = Deadline::default();
        Ok(Box::new(Self {
            link,
            sender,
            deadline,
        }))
    }

    /// Whether a connection that idled can still be used.
    pub(super) fn is_alive(&mut self) -> bool {
        // Who uses it next polls it with a waker of its own.
        let mut cx = Context::from_waker(Waker::noop());
        self.link.drive(&mut cx);
        !self.link.ended && self.sender.is_ready()
    }

    /// Sends a request, and waits for the head of its answer until `until`.
    pub(super) async fn send(
        &mut self,
        request: Request<Outbound>,
        until: Instant,
    ) -> Result<Response<Incoming>, SendError> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let (link, deadline) = (&mut self.link, &mut self.deadline);
        poll_fn(|cx| {
            link.drive(cx);
            // Only the connection makes it ready, and only this task drives the connection.
            let mut quiet = Context::from_waker(Waker::noop());
            match answer.as_mut().poll(&mut quiet) {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
                    Some(request) => SendError::Unsent(Box::new(request)),
                    None => SendError::Reset(Some(error.into_error())),
                })),
                Poll::Pending if link.ended => Poll::Ready(Err(SendError::Reset(None))),
                Poll::Pending => deadline.poll(cx, until).map(|()| Err(SendError::Late)),
            }
        })
        .await
    }

    /// The bare connection, with what was read of it already, once an answer said to switch protocols.
    pub(super) async fn into_stream(self: Box<Self>) -> Option<(TcpStream, Bytes)> {
        let parts = match self.link {
            Link {
                connection: Some(connection),
                ended: true,
            } => connection.into_parts(),
            Link { connection, .. } => connection?.without_shutdown().await.ok()?,
        };
        Some((parts.io.into_inner(), parts.read_buf))
    }
}

// === impl Link ===

impl Link {
    /// Lets the connection read and write. Its errors reach who waits for the answer.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.ended) else {
            return;
        };
        if let Poll::Ready(ended) = connection.poll_without_shutdown(cx) {
            self.ended = true;
            if ended.is_err() {
                self.connection = None;
            }
        }
    }
}

// === impl Streaming ===

impl Streaming {
    /// The body of an answer that came over `upstream`, which goes to its pool afterwards.
    pub(super) fn arrived(
        body: Incoming,
        upstream: Box<Upstream>,
        pool: Arc<Pool>,
        key: Key,
    ) -> Arrived {
        let mut streaming = Self {
            body,
            first: None,
            upstream: Some(upstream),
            home: Some((pool, key)),
        };
        streaming.settle();
        if streaming.body.is_end_stream() {
            return Arrived::Whole(Bytes::new());
        }
        streaming.read_ahead();
        match streaming.first.take().map(Frame::into_data) {
            Some(Ok(bytes)) if streaming.body.is_end_stream() => Arrived::Whole(bytes),
            first => {
                streaming.first = first.map(|data| data.map_or_else(|frame| frame, Frame::data));
                Arrived::Streaming(streaming)
            }
        }
    }

    /// Takes what came together with the head. An error shows again when the body is read.
    fn read_ahead(&mut self) {
        // Whoever reads the body polls with a waker of its own.
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            if let Poll::Ready(Some(Ok(frame))) = self.poll_body() {
                self.first = Some(frame);
                self.settle();
                return;
            }
            if let Some(upstream) = &mut self.upstream {
                upstream.link.drive(&mut cx);
            }
        }
    }

    /// Gives the connection back once nothing of the answer is left on it.
    fn settle(&mut self) {
        if !self.body.is_end_stream() {
            return;
        }
        if let Some(mut upstream) = self.upstream.take()
            && let Some((pool, key)) = self.home.take()
            && upstream.is_alive()
        {
            pool.put(key, upstream);
        }
    }

    fn poll_body(&mut self) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        // Only the connection makes it ready, and only this task drives the connection.
        let mut quiet = Context::from_waker(Waker::noop());
        Pin::new(&mut self.body).poll_frame(&mut quiet)
    }
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let mut polled = self.poll_body();
        if polled.is_pending() {
            let Some(upstream) = &mut self.upstream else {
                return Poll::Ready(Some(Err(Cut.into())));
            };
            upstream.link.drive(cx);
            let ended = upstream.link.ended;
            polled = self.poll_body();
            if polled.is_pending() && ended {
                return Poll::Ready(Some(Err(Cut.into())));
            }
        }
        let frame = ready!(polled);
        match frame {
            Some(Ok(frame)) => {
                self.settle();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                self.upstream = None;
                Poll::Ready(Some(Err(error.into())))
            }
            None => {
                self.settle();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.first.as_ref().and_then(Frame::data_ref);
        let ahead = ahead.map_or(0, |bytes| bytes.len() as u64);
        match self.body.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + ahead),
            None => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Streaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}
