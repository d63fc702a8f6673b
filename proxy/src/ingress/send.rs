//! Sending a request over a connection that may have died while it idled: once more, where that can do no harm.

use std::error::Error as StdError;

use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{Method, Request, Response, Uri};
use hyper::body::{Body, Incoming};

use super::body::{BodyError, Outbound};
use super::pool::Key;
use super::upstream::{SendError, Upstream};
use super::{Backends, Connector, Failure, Ingress};

/// A request without a body, to be sent again. Made for each that may have to be, so it is no map.
struct Replay {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

// === impl Ingress ===

impl<B: Backends, C: Connector> Ingress<B, C> {
    /// Sends the request, once more on a new connection where the first one turned out to be dead.
    pub(super) async fn send(
        &self,
        key: &Key,
        (mut upstream, pooled): (Box<Upstream>, bool),
        request: Request<Outbound>,
        until: tokio::time::Instant,
    ) -> Result<(Response<Incoming>, Box<Upstream>), Failure> {
        let replay = (pooled && is_replayable(&request)).then(|| Replay::of(&request));
        let request = match upstream.send(request, until).await {
            Ok(response) => return Ok((response, upstream)),
            Err(SendError::Unsent(request)) => *request,
            Err(SendError::Reset(error)) => match replay {
                Some(replay) if !error.as_ref().is_some_and(hyper::Error::is_parse) => {
                    replay.request()
                }
                _ => return Err(broken(error.as_ref())),
            },
            Err(SendError::Late) => return Err(Failure::timeout(self.settings.answer)),
        };
        Box::pin(self.send_anew(key, request)).await
    }

    /// Sends a request that another connection was lost with.
    async fn send_anew(
        &self,
        key: &Key,
        request: Request<Outbound>,
    ) -> Result<(Response<Incoming>, Box<Upstream>), Failure> {
        let limit = self.settings.answer;
        // It listened before: it ended, and who asks hears that and why.
        let mut upstream = self.connect(key).await.map_err(|_| Failure::reset())?;
        let until = tokio::time::Instant::now() + limit;
        match upstream.send(request, until).await {
            Ok(response) => Ok((response, upstream)),
            Err(SendError::Unsent(_)) => Err(Failure::reset()),
            Err(SendError::Reset(error)) => Err(broken(error.as_ref())),
            Err(SendError::Late) => Err(Failure::timeout(limit)),
        }
    }
}

/// Whether a request may be sent twice, where nobody knows if it arrived.
fn is_replayable(request: &Request<Outbound>) -> bool {
    request.method().is_idempotent() && request.body().is_end_stream()
}

// === impl Replay ===

impl Replay {
    fn of(request: &Request<Outbound>) -> Self {
        let headers = request.headers().iter();
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    fn request(self) -> Request<Outbound> {
        let mut request = Request::new(Outbound::default());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        for (name, value) in self.headers {
            request.headers_mut().append(name, value);
        }
        request
    }
}

/// Whose fault it is that there is no answer.
pub(super) fn broken(error: Option<&hyper::Error>) -> Failure {
    let mut source = error.map(|error| error as &(dyn StdError + 'static));
    while let Some(error) = source {
        match error.downcast_ref::<BodyError>() {
            Some(BodyError::Stalled(after)) => return Failure::stalled(*after),
            Some(BodyError::Broken(_)) => return Failure::broken_body(),
            None => source = error.source(),
        }
    }
    if let Some(error) = error {
        tracing::debug!(%error, "ingress.reset");
    }
    Failure::reset()
}
