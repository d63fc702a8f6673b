//! Calls of gRPC, which is HTTP/2 from end to end: many calls over one connection to an application, which is to speak it
//! at once and without TLS.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{CONNECTION, CONTENT_TYPE, HOST};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{Request, Response, Uri, Version};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::body::{Outbound, RequestBody, ResponseBody};
use super::pool::Key;
use super::send::broken;
use super::{
    Backends, Client, Connector, Exchange, Failure, Ingress, Routed, Target, head, headers,
};

/// How its content types begin. What goes on otherwise (`grpc-web`) is made for HTTP/1.1.
const GRPC: &[u8] = b"application/grpc";
/// The most applications that connections are kept for.
const MOST: usize = 1024;

type Sender = http2::SendRequest<Outbound>;

/// A connection to each application that was called a moment ago.
#[derive(Debug)]
pub(super) struct Channels {
    idle: Duration,
    open: Mutex<HashMap<Key, (Sender, Instant)>>,
}

/// Whether a request is such a call, from a client that can take the answer.
pub(super) fn is_call(request: &Parts) -> bool {
    request.version == Version::HTTP_2
        && request.headers.get(CONTENT_TYPE).is_some_and(|kind| {
            let rest = kind.as_bytes().strip_prefix(GRPC);
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
        })
}

// === impl Channels ===

impl Channels {
    /// Connections may idle for `idle`.
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            idle,
            open: Mutex::default(),
        }
    }

    /// The one that is open, if it was used lately: an address may have become another application's since.
    fn take(&self, key: &Key, now: Instant) -> Option<Sender> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, used) = open.get_mut(key)?;
        if sender.is_closed() || now.saturating_duration_since(*used) >= self.idle {
            open.remove(key);
            return None;
        }
        *used = now;
        Some(sender.clone())
    }

    fn put(&self, key: &Key, sender: &Sender, now: Instant) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (sender, used)| {
            !sender.is_closed() && now.saturating_duration_since(*used) < self.idle
        });
        if open.len() < MOST {
            open.insert(key.clone(), (sender.clone(), now));
        }
    }

    /// A call was answered: its connection was of use until now.
    fn touch(&self, key: &Key) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, used)) = open.get_mut(key) {
            *used = Instant::now();
        }
    }
}

// === impl Ingress ===

impl<B: Backends, C: Connector> Ingress<B, C> {
    /// Answers a call.
    pub(super) async fn call(
        &self,
        client: &Client,
        target: &Target,
        parts: &mut Parts,
        body: &mut Option<RequestBody>,
    ) -> Result<Response<ResponseBody>, Failure> {
        let arrived = Instant::now();
        let (routed, key, mut sender) = self.channel(target, parts).await?;
        let routing = match routed.start {
            Some(_) => arrived.elapsed(),
            None => Duration::ZERO,
        };
        let mut body = body.take();
        let way = headers::Way {
            client,
            scheme: self.settings.scheme,
            trusted: self.settings.behind_proxy,
        };
        let identity = routed.identity.as_ref();
        headers::request(&mut parts.headers, way, routed.ours, identity, None);
        let answered = body.as_mut().map(RequestBody::answered);
        let request = outbound(parts, Outbound(body))?;
        let exchange = Exchange {
            key,
            routed,
            arrived,
            routing,
            on_upgrade: None,
            slot: None,
        };
        let limit = self.settings.answer;
        let sent = async {
            match sender.try_send_request(request).await {
                Ok(response) => Ok(response),
                Err(mut error) => match error.take_message() {
                    // The connection had ended, and nothing of it was sent.
                    Some(request) => self.call_anew(&exchange.key, request).await,
                    None => Err(broken(Some(&error.into_error()))),
                },
            }
        };
        let sent = tokio::time::timeout(limit, sent).await;
        let response = match sent.unwrap_or_else(|_| Err(Failure::timeout(limit))) {
            Ok(response) => response,
            Err(failure) if failure.is_reset() => {
                let (endpoint, known) = (&exchange.key.0, exchange.routed.identity.is_some());
                return Err(self.backends.broken(target, endpoint, failure, known).await);
            }
            Err(failure) => return Err(failure),
        };
        if let Some(answered) = answered {
            answered.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        self.channels.touch(&exchange.key);
        let (parts, body) = head(&exchange, response, false);
        let Routed { flight, guard, .. } = exchange.routed;
        Ok(Response::from_parts(
            parts,
            ResponseBody::shared(body, flight, guard),
        ))
    }

    /// A route, and a connection along it.
    async fn channel(
        &self,
        target: &Target,
        parts: &Parts,
    ) -> Result<(Routed, Key, Sender), Failure> {
        let mut asked = 1;
        loop {
            let routed = self.backends.route(target, parts).await?;
            let key = (routed.endpoint.clone(), routed.port);
            if let Some(sender) = self.channels.take(&key, Instant::now()) {
                return Ok((routed, key, sender));
            }
            match self.open(&key).await {
                Ok(sender) => return Ok((routed, key, sender)),
                Err(error) => self.unreached(target, &key, &error, asked).await?,
            }
            asked += 1;
        }
    }

    async fn open(&self, key: &Key) -> io::Result<Sender> {
        let stream = self.connection(key).await?;
        let sender = open(stream).await.map_err(io::Error::other)?;
        self.channels.put(key, &sender, Instant::now());
        Ok(sender)
    }

    /// Sends a call that another connection ended before.
    async fn call_anew(
        &self,
        key: &Key,
        request: Request<Outbound>,
    ) -> Result<Response<hyper::body::Incoming>, Failure> {
        let (endpoint, port) = key;
        let sender = self.open(key).await;
        let mut sender = sender.map_err(|error| Failure::connect(endpoint, *port, &error))?;
        let sent = sender.try_send_request(request).await;
        sent.map_err(|error| broken(Some(error.error())))
    }
}

/// Speaks HTTP/2 on a connection, until nobody has its sender any more and every call is over.
async fn open(stream: TcpStream) -> hyper::Result<Sender> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "ingress.channel");
        }
    });
    Ok(sender)
}

/// The call as an application gets it: its host is where HTTP/2 has it.
fn outbound(parts: &mut Parts, body: Outbound) -> Result<Request<Outbound>, Failure> {
    parts.headers.remove(CONNECTION);
    let host = parts.headers.remove(HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = authority;
    uri.path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    let uri = Uri::from_parts(uri).map_err(|_| Failure::broken_body())?;
    let mut request = Request::new(body);
    *request.version_mut() = Version::HTTP_2;
    *request.method_mut() = std::mem::take(&mut parts.method);
    *request.uri_mut() = uri;
    *request.headers_mut() = std::mem::take(&mut parts.headers);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(version: Version, kind: &str) -> bool {
        let request = Request::builder().version(version);
        let request = request.header(CONTENT_TYPE, kind).body(());
        is_call(&request.expect("a request").into_parts().0)
    }

    #[test]
    fn a_call_says_so_in_http_2() {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;x=1",
        ] {
            assert!(asks(Version::HTTP_2, kind), "{kind}");
            assert!(!asks(Version::HTTP_11, kind), "{kind}");
        }
        for kind in [
            "application/grpc-web",
            "application/json",
            "application/grpcx",
        ] {
            assert!(!asks(Version::HTTP_2, kind), "{kind}");
        }
    }
}
