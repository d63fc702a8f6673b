//! Bodies on their way through: the client's, which may not stall, and those that go back.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use eai_core::flights::Flight;
use http_body_util::BodyExt as _;
use http_body_util::combinators::MapErr;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};

use super::upstream::{Arrived, Streaming};

/// A request's body as a client sends it, cut off where no byte comes for too long.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Set once the answer is on its way: from then on both sides may be silent.
    answered: Option<Arc<AtomicBool>>,
}

/// Why a request's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte came for as long.
    #[error("no byte of the body arrived for {0:?}")]
    Stalled(Duration),
    /// The connection broke, or its framing did.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
}

/// The body that goes to an application: the client's, or none.
#[derive(Debug, Default)]
pub(super) struct Outbound(pub(super) Option<RequestBody>);

/// The body that goes to a client.
pub struct ResponseBody {
    kind: Kind,
    flight: Option<Flight>,
    guard: Option<Box<dyn Send>>,
}

#[derive(Debug)]
enum Kind {
    Full(Option<Bytes>),
    Streaming(Box<Stream<Streaming>>),
    /// Of a connection that has other answers as well.
    Shared(Box<Stream<Shared>>),
    Platform(axum::body::Body),
}

/// An application's body that ends before its end where its run has to.
#[derive(Debug)]
struct Stream<B> {
    body: B,
    /// Made once there is something to wait for.
    over: Option<Pin<Box<OwnedNotified>>>,
}

/// An application's body that something else reads from its connection.
type Shared = MapErr<Incoming, fn(hyper::Error) -> BoxError>;

// === impl Stream ===

impl<B: Body<Data = Bytes, Error = BoxError> + Unpin> Stream<B> {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        flight: Option<&Flight>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Some(flight) = flight.filter(|_| polled.is_pending()) else {
            return polled;
        };
        // One that said how long it is would be cut: it may be faster than the run's end.
        if self.body.size_hint().exact().is_some() {
            return polled;
        }
        // A body is polled by one task, so once is enough.
        if self.over.is_none() {
            let mut over = Box::pin(flight.over());
            let told = over.as_mut().poll(cx).is_ready();
            self.over = (!told).then_some(over);
        }
        if flight.is_over() {
            return Poll::Ready(None);
        }
        polled
    }
}

// === impl RequestBody ===

impl RequestBody {
    /// A body that may be silent for `stall`, while somebody waits for it.
    pub fn new(inner: Incoming, stall: Duration) -> Self {
        Self {
            inner,
            stall,
            timer: None,
            answered: None,
        }
    }

    /// What to set once the answer is on its way.
    pub(super) fn answered(&mut self) -> Arc<AtomicBool> {
        Arc::clone(self.answered.get_or_insert_default())
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = || Instant::now() + self.stall;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until())));
        loop {
            std::task::ready!(timer.as_mut().poll(cx));
            let answered = self.answered.as_ref();
            if !answered.is_some_and(|answered| answered.load(Ordering::Relaxed)) {
                return Poll::Ready(());
            }
            timer.as_mut().reset(Instant::now() + self.stall);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.timer = None;
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
            }
            Poll::Pending => {
                std::task::ready!(self.poll_stalled(cx));
                Poll::Ready(Some(Err(BodyError::Stalled(self.stall))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl Outbound ===

impl Body for Outbound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

// === impl ResponseBody ===

impl ResponseBody {
    /// All of it.
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::of(Kind::Full(Some(bytes)))
    }

    /// As it comes from an application.
    pub(super) fn arrived(arrived: Arrived, flight: Option<Flight>, guard: Box<dyn Send>) -> Self {
        let kind = match arrived {
            Arrived::Whole(bytes) => Kind::Full(Some(bytes)),
            Arrived::Streaming(body) => Kind::Streaming(Box::new(Stream { body, over: None })),
        };
        Self {
            kind,
            flight,
            guard: Some(guard),
        }
    }

    /// As it comes over a connection that has other answers as well.
    pub(super) fn shared(body: Incoming, flight: Option<Flight>, guard: Box<dyn Send>) -> Self {
        let body: Shared = body.map_err(BoxError::from);
        Self {
            kind: Kind::Shared(Box::new(Stream { body, over: None })),
            flight,
            guard: Some(guard),
        }
    }

    /// The same, with something that is dropped at its end.
    #[must_use]
    pub(crate) fn holding(mut self, other: impl Send + 'static) -> Self {
        self.guard = Some(Box::new((self.guard.take(), other)));
        self
    }

    /// As the platform itself makes it.
    pub fn platform(body: axum::body::Body) -> Self {
        Self::of(Kind::Platform(body))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            flight: None,
            guard: None,
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseBody").field(&self.kind).finish()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { kind, flight, .. } = &mut *self;
        match kind {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Streaming(stream) => stream.poll_frame(cx, flight.as_ref()),
            Kind::Shared(stream) => stream.poll_frame(cx, flight.as_ref()),
            Kind::Platform(body) => {
                let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Streaming(stream) => stream.body.is_end_stream(),
            Kind::Shared(stream) => stream.body.is_end_stream(),
            Kind::Platform(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Streaming(stream) => stream.body.size_hint(),
            Kind::Shared(stream) => stream.body.size_hint(),
            Kind::Platform(body) => body.size_hint(),
        }
    }
}
