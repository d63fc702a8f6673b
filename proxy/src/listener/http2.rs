//! Connections of HTTP/2: the same requests, many at a time. One with nothing to do ends, as one of HTTP/1.1 does.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::BoxError;
use axum::http::header::{COOKIE, HOST};
use axum::http::{HeaderMap, HeaderValue};
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::MAX_HEAD;
use super::protocol::{Served, with_deadline};
use super::socket::Socket;
use crate::ingress::{Backends, Connector};

/// Requests of one connection at a time.
const STREAMS: u32 = 128;
/// How long a client that was told to go may take to do so, once its requests are answered.
const LEAVE: Duration = Duration::from_secs(5);

/// The requests of a connection.
#[derive(Debug, Default)]
struct Streams {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

/// One of them, until its answer has gone.
#[derive(Debug)]
struct Open(Arc<Streams>);

// === impl Streams ===

impl Streams {
    fn begin(self: &Arc<Self>) -> Open {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// How many there were, if none is open.
    fn at_rest(&self) -> Option<usize> {
        let ended = self.ended.load(Ordering::Relaxed);
        (self.begun.load(Ordering::Relaxed) == ended).then_some(ended)
    }

    /// Waits until there was none for all of `time`, and at most twice as long.
    async fn until_idle(&self, time: Duration) {
        let mut before = Some(0);
        loop {
            tokio::time::sleep(time).await;
            let now = self.at_rest();
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// Serves a connection to its end.
pub(super) async fn serve<B: Backends, C: Connector, S: Read + Write + Send + Unpin + 'static>(
    socket: Socket<S>,
    served: Served<B, C>,
) -> Result<(), BoxError> {
    let Served {
        sites,
        client,
        limits,
        ending,
    } = served;
    let streams = Arc::new(Streams::default());
    let shared = Arc::new((sites, client, Arc::clone(&streams)));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (sites, client, streams) = &*shared;
            let open = streams.begin();
            name_host(&mut request);
            join_cookies(request.headers_mut());
            let request = with_deadline(request, limits.body_stall);
            let answer = sites.answer(client, request).await;
            Ok::<_, Infallible>(answer.map(|body| body.holding(open)))
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head)
        .serve_connection(socket, service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => return Ok(ended?),
        () = ending.told() => {}
        () = streams.until_idle(limits.head) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        ended = &mut connection => Ok(ended?),
        () = streams.until_idle(LEAVE) => Ok(()),
    }
}

/// Names the host where everything else looks for it.
fn name_host<T>(request: &mut Request<T>) {
    if !request.headers().contains_key(HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::try_from(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
}

/// Makes one header of cookies that came apart (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.nth(1).is_none() {
        return;
    }
    let cookies = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let joined = cookies.collect::<Vec<_>>().join(&b"; "[..]);
    // Values joined are a value.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_that_came_apart_are_one_header() {
        let mut headers = HeaderMap::new();
        join_cookies(&mut headers);
        assert!(headers.is_empty());
        for cookie in ["a=1", "b=2; c=3", "d=4"] {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        join_cookies(&mut headers);
        let cookies: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
    }

    #[test]
    fn the_authority_is_the_host_unless_one_is_named() {
        let mut request = Request::builder()
            .uri("http://a.test:80/x")
            .body(())
            .unwrap();
        name_host(&mut request);
        assert_eq!(request.headers()[HOST], "a.test:80");
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("b.test"));
        name_host(&mut request);
        assert_eq!(request.headers()[HOST], "b.test");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_once_nothing_was_open_for_a_while() {
        let time = Duration::from_secs(30);
        let streams = Arc::new(Streams::default());
        let idle = |streams: Arc<Streams>| async move {
            let begun = tokio::time::Instant::now();
            streams.until_idle(time).await;
            begun.elapsed()
        };
        assert_eq!(idle(Arc::clone(&streams)).await, time);
        let open = streams.begin();
        let waiting = tokio::spawn(idle(Arc::clone(&streams)));
        tokio::time::sleep(time * 10).await;
        assert!(!waiting.is_finished());
        drop(open);
        assert!(waiting.await.unwrap() >= time * 11);
    }
}
