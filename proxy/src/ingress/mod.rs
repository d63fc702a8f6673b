//! The reverse proxy: HTTP from clients to the applications of services and jobs, and back.
//!
//! It knows hosts, headers, bodies and connections. Who answers for a host is asked of [`Backends`]; it knows no
//! event, no view and no executor.

mod backends;
mod body;
mod failure;
mod grpc;
mod headers;
pub mod hops;
mod pool;
mod send;
mod target;
mod timing;
mod upgrade;
mod upstream;

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, CONTENT_LENGTH, EXPECT, HeaderName, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, response,
};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

pub use backends::{Backends, ColdStart, Connector, Endpoint, Identity, Ours, Routed, Unreachable};
pub use body::{BodyError, RequestBody, ResponseBody};
pub(crate) use failure::escaped;
pub use failure::{Failure, X_EAI_ERROR};
pub use headers::Client;
pub use target::{BadRequest, Target, target};

use body::Outbound;
use grpc::Channels;
use pool::{Key, Pool};
use upstream::{Streaming, Upstream};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// How often a route is asked for, where nobody accepts a connection.
const MOST_ROUTES: u32 = 3;
/// How much of an unwanted body is read, so that its sender sees the answer.
const MAX_DRAIN: usize = 64 * 1024;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// What may be chosen about the engine. Times are the most that something may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The platform's domain, in lower case.
    pub domain: String,
    /// `http` or `https`: how clients reach us.
    pub scheme: &'static str,
    /// Another proxy is before us, and what it forwards is believed.
    pub behind_proxy: bool,
    /// Opening a connection to an application.
    pub connect: Duration,
    /// From a request that was sent to the head of its answer.
    pub answer: Duration,
    /// How long an upgraded connection lives on with one side ended and the other silent.
    pub half_open: Duration,
    /// How long a connection to an application idles: less than those keep them, 5 s for many.
    pub idle: Duration,
}

/// The engine.
pub struct Ingress<B, C> {
    backends: Arc<B>,
    connector: Arc<C>,
    settings: Arc<Settings>,
    pool: Arc<Pool>,
    channels: Channels,
}

/// Everything about a request that outlives its way through the engine.
struct Exchange {
    key: Key,
    routed: Routed,
    arrived: Instant,
    routing: Duration,
    on_upgrade: Option<OnUpgrade>,
    slot: Option<Arc<OwnedSemaphorePermit>>,
}

// === impl Settings ===

impl Settings {
    /// The usual settings for a domain.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_ascii_lowercase(),
            scheme: "http",
            behind_proxy: false,
            connect: Duration::from_secs(5),
            answer: Duration::from_mins(10),
            half_open: Duration::from_mins(1),
            idle: Duration::from_secs(3),
        }
    }
}

// === impl Ingress ===

impl<B, C> Ingress<B, C> {
    /// An engine that asks `backends` for routes and `connector` for connections.
    pub fn new(backends: B, connector: C, settings: Settings) -> Self {
        Self {
            backends: Arc::new(backends),
            connector: Arc::new(connector),
            pool: Pool::new(settings.idle),
            channels: Channels::new(settings.idle),
            settings: Arc::new(settings),
        }
    }

    /// The same engine with idle connections of its own, for another thread.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            backends: Arc::clone(&self.backends),
            connector: Arc::clone(&self.connector),
            settings: Arc::clone(&self.settings),
            pool: Pool::new(self.settings.idle),
            channels: Channels::new(self.settings.idle),
        }
    }
}

impl<B: Backends, C: Connector> Ingress<B, C> {
    /// Whom a request is for.
    pub fn target(&self, request: &Parts) -> Result<Target, BadRequest> {
        target(&self.settings.domain, request)
    }

    /// Who is asked for routes.
    pub fn backends(&self) -> &B {
        &self.backends
    }

    /// Answers a request that is for a service or a job. Every failure is an answer too.
    ///
    /// Dropping it ends the request at the application as well. What is taken of the request is gone afterwards; it is
    /// lent, since a warm request pays for each time that it is moved.
    pub async fn serve(
        &self,
        client: &Client,
        target: &Target,
        parts: &mut Parts,
        body: &mut Option<RequestBody>,
    ) -> Response<ResponseBody> {
        let accept = parts.headers.get(ACCEPT).cloned();
        let asks = parts.headers.contains_key(EXPECT);
        match self.proxy(client, target, parts, body).await {
            Ok(response) => response,
            Err(failure) => {
                if let Some(body) = body.take().filter(|_| !asks) {
                    Box::pin(drain(body)).await;
                }
                let mut headers = HeaderMap::new();
                if let Some(accept) = accept {
                    headers.insert(ACCEPT, accept);
                }
                failure.answer(&headers)
            }
        }
    }

    /// Answers a request that is for nobody.
    pub async fn refuse(
        &self,
        failure: Failure,
        parts: &Parts,
        body: RequestBody,
    ) -> Response<ResponseBody> {
        // Who asks first sends nothing after a refusal, and a tunnel has no body.
        if parts.method != Method::CONNECT && !parts.headers.contains_key(EXPECT) {
            drain(body).await;
        }
        failure.answer(&parts.headers)
    }

    async fn proxy(
        &self,
        client: &Client,
        target: &Target,
        parts: &mut Parts,
        body: &mut Option<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failure> {
        if *target == Target::Unknown {
            return Err(failure::unknown(parts));
        }
        if !headers::is_framed_once(&parts.headers) {
            return Err(Failure::bad_framing());
        }
        if grpc::is_call(parts) {
            return Box::pin(self.call(client, target, parts, body)).await;
        }
        let arrived = Instant::now();
        let (routed, key, upstream, pooled) = self.reach(target, parts, arrived).await?;
        // Nobody asks about a request that had to wait for nothing.
        let (routing, now) = match routed.start {
            Some(_) => {
                let now = Instant::now();
                (now.duration_since(arrived), now)
            }
            None => (Duration::ZERO, arrived),
        };

        let mut body = body.take().filter(|body| !body.is_end_stream());
        let wanted = match body {
            None => headers::upgrade(parts.version, &parts.headers),
            Some(_) => None,
        };
        let on_upgrade = wanted
            .is_some()
            .then(|| parts.extensions.remove::<OnUpgrade>())
            .flatten();
        let way = headers::Way {
            client,
            scheme: self.settings.scheme,
            trusted: self.settings.behind_proxy,
        };
        let identity = routed.identity.as_ref();
        headers::request(&mut parts.headers, way, routed.ours, identity, wanted);
        if let Some(body) = &body
            && body.size_hint().exact().is_none()
        {
            // Said here, since a GET would lose its body otherwise.
            let chunked = HeaderValue::from_static("chunked");
            parts.headers.insert(TRANSFER_ENCODING, chunked);
            parts.headers.remove(CONTENT_LENGTH);
        }
        let answered = body.as_mut().map(RequestBody::answered);
        let request = outbound(parts, Outbound(body));

        let exchange = Exchange {
            key,
            routed,
            arrived,
            routing,
            slot: on_upgrade.as_ref().and_then(|_| client.slot()),
            on_upgrade,
        };
        let until = tokio::time::Instant::from_std(now) + self.settings.answer;
        // Awaited where it is made: a name of its own would be room of its own.
        let (response, upstream) = match self
            .send(&exchange.key, (upstream, pooled), request, until)
            .await
        {
            Ok(sent) => sent,
            Err(failure) if failure.is_reset() => {
                let (endpoint, known) = (&exchange.key.0, exchange.routed.identity.is_some());
                let broken = self.backends.broken(target, endpoint, failure, known);
                return Err(Box::pin(broken).await);
            }
            Err(failure) => return Err(failure),
        };
        if let Some(answered) = answered {
            answered.store(true, Ordering::Relaxed);
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Box::pin(self.switch(exchange, response, upstream)).await;
        }
        Ok(self.answer(exchange, response, upstream))
    }

    /// A route, and a connection along it. True where the connection was used before.
    async fn reach(
        &self,
        target: &Target,
        parts: &Parts,
        now: Instant,
    ) -> Result<(Routed, Key, Box<Upstream>, bool), Failure> {
        let mut asked = 1;
        loop {
            let routed = self.backends.route(target, parts).await?;
            let key = (routed.endpoint.clone(), routed.port);
            if let Some(upstream) = self.pool.take(&key, now) {
                return Ok((routed, key, upstream, true));
            }
            // What is rare is kept apart: a warm request moves its future about, and that is as large as all it may wait for.
            let error = match Box::pin(self.connect(&key)).await {
                Ok(upstream) => return Ok((routed, key, upstream, false)),
                Err(error) => error,
            };
            Box::pin(self.unreached(target, &key, &error, asked)).await?;
            asked += 1;
        }
    }

    /// Whether another route is asked for, after so many: the failure where not.
    async fn unreached(
        &self,
        target: &Target,
        (endpoint, port): &Key,
        error: &io::Error,
        asked: u32,
    ) -> Result<(), Failure> {
        let again = asked < MOST_ROUTES;
        let unreachable = self
            .backends
            .unreachable(target, endpoint, *port, error, again);
        match unreachable.await {
            Unreachable::RouteAgain if again => Ok(()),
            Unreachable::RouteAgain => Err(Failure::connect(endpoint, *port, error)),
            Unreachable::Fail(failure) => Err(*failure),
        }
    }

    async fn connect(&self, key: &Key) -> io::Result<Box<Upstream>> {
        let stream = self.connection(key).await?;
        Upstream::open(stream).await.map_err(io::Error::other)
    }

    /// A bare connection.
    async fn connection(&self, (endpoint, port): &Key) -> io::Result<TcpStream> {
        let connecting = self.connector.connect(endpoint, *port);
        let stream = tokio::time::timeout(self.settings.connect, connecting)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn answer(
        &self,
        exchange: Exchange,
        response: Response<Incoming>,
        upstream: Box<Upstream>,
    ) -> Response<ResponseBody> {
        let (parts, body) = head(&exchange, response, false);
        let Exchange { key, routed, .. } = exchange;
        let body = Streaming::arrived(body, upstream, Arc::clone(&self.pool), key);
        let body = ResponseBody::arrived(body, routed.flight, routed.guard);
        Response::from_parts(parts, body)
    }

    /// Joins client and application, which agreed on another protocol.
    async fn switch(
        &self,
        mut exchange: Exchange,
        response: Response<Incoming>,
        upstream: Box<Upstream>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let (parts, _) = head(&exchange, response, true);
        let client = exchange.on_upgrade.take().ok_or_else(Failure::reset)?;
        let (stream, early) = upstream.into_stream().await.ok_or_else(Failure::reset)?;
        let half_open = self.settings.half_open;
        let Exchange { routed, slot, .. } = exchange;
        tokio::spawn(async move {
            upgrade::join(client, stream, early, half_open, routed.flight).await;
            drop((routed.guard, slot));
        });
        let nothing = ResponseBody::full(bytes::Bytes::new());
        Ok(Response::from_parts(parts, nothing))
    }
}

impl<B: fmt::Debug, C: fmt::Debug> fmt::Debug for Ingress<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress")
            .field("backends", &self.backends)
            .field("connector", &self.connector)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The request as an application gets it: with a path only, in HTTP/1.1. What it has is taken from the client's.
fn outbound(parts: &mut Parts, body: Outbound) -> Request<Outbound> {
    let root = || PathAndQuery::from_static("/");
    let uri = mem::take(&mut parts.uri).into_parts();
    let mut request = Request::new(body);
    *request.method_mut() = mem::take(&mut parts.method);
    *request.uri_mut() = Uri::from(uri.path_and_query.unwrap_or_else(root));
    *request.headers_mut() = mem::take(&mut parts.headers);
    request
}

/// The head of an answer as the client gets it, and the body.
fn head(
    exchange: &Exchange,
    response: Response<Incoming>,
    switching: bool,
) -> (response::Parts, Incoming) {
    let (mut parts, body) = response.into_parts();
    headers::response(&mut parts.headers, switching);
    let start = exchange.routed.start.as_ref();
    let timing = timing::header(exchange.arrived.elapsed(), exchange.routing, start);
    parts.headers.append(SERVER_TIMING, timing);
    parts.version = Version::HTTP_11;
    (parts, body)
}

/// Reads some of a body that nobody wants, so that its sender gets to the answer.
async fn drain(body: RequestBody) {
    if body.is_end_stream() {
        return;
    }
    let read = Limited::new(body, MAX_DRAIN).collect();
    // Whatever goes wrong here ends the connection, and the answer is decided already.
    drop(tokio::time::timeout(DRAIN_TIME, read).await);
}
