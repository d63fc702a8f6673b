//! HTTP/2 without TLS, which begins at once: to applications of HTTP/1.1, and calls of gRPC from end to end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::support::{Application, Proxy, ok, until, within};

type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// A client, with its connection.
struct Client {
    sender: SendRequest<Sent>,
    connection: AbortOnDropHandle<hyper::Result<()>>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
        Self {
            sender,
            connection: AbortOnDropHandle::new(tokio::spawn(connection)),
        }
    }

    async fn send(&mut self, request: Request<Sent>) -> Response<Incoming> {
        let sent = within("an answer", self.sender.send_request(request)).await;
        sent.expect("an answer")
    }
}

fn get(path: &str) -> hyper::http::request::Builder {
    Request::builder().uri(format!("http://{}{path}", Proxy::host()))
}

fn call(messages: &[&'static str], trailers: bool) -> Request<Sent> {
    let data = messages
        .iter()
        .map(|message| Frame::data(Bytes::from_static(message.as_bytes())));
    let mut frames: Vec<_> = data.map(Ok).collect();
    if trailers {
        let trailer = HeaderMap::from_iter([(
            "x-last".parse().expect("a name"),
            HeaderValue::from_static("request"),
        )]);
        frames.push(Ok(Frame::trailers(trailer)));
    }
    let body = StreamBody::new(futures::stream::iter(frames));
    get("/test.Echo/Say")
        .method("POST")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body.boxed_unsync())
        .expect("a request")
}

/// An application that speaks HTTP/2 at once: it sends back what it gets, each piece as it comes, then trailers.
async fn echo(connections: Arc<AtomicUsize>) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let service = service_fn(|request: Request<Incoming>| async move {
                let heard = |name| request.headers().get(name).cloned();
                let (te, user) = (heard("te"), heard("x-eai-user"));
                let authority = request.uri().authority().expect("an authority").to_string();
                let mut answer = Response::builder()
                    .header("content-type", "application/grpc")
                    .header("x-authority", authority);
                if let (Some(te), Some(user)) = (te, user) {
                    answer = answer.header("x-te", te).header("x-user", user);
                }
                let frames = with_trailers(request.into_body());
                Ok::<_, Infallible>(answer.body(frames).expect("an answer"))
            });
            tokio::spawn(
                server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (address, AbortOnDropHandle::new(server))
}

/// What arrives, with trailers behind it.
fn with_trailers(body: Incoming) -> UnsyncBoxBody<Bytes, hyper::Error> {
    let status = HeaderMap::from_iter([(
        "grpc-status".parse().expect("a name"),
        HeaderValue::from_static("0"),
    )]);
    let data = body.into_data_stream();
    let data = data.map(|piece| piece.map(Frame::data));
    let last = futures::stream::once(async move { Ok(Frame::trailers(status)) });
    StreamBody::new(data.chain(last)).boxed_unsync()
}

#[tokio::test]
async fn an_application_of_http_1_does_not_notice() {
    let application = Application::answering(|request| {
        let cookies = request.head.one("cookie").unwrap_or_default();
        let host = request.head.one("host").unwrap_or_default();
        let line = &request.head.line;
        let body = String::from_utf8_lossy(&request.body);
        Some(ok(&format!("{line}|{host}|{cookies}|{body}")))
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let mut client = Client::connect(proxy.address).await;
    let request = get("/a?b")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Empty::new().boxed_unsync())
        .expect("a request");
    let answer = client.send(request).await;
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.expect("a body");
    let expected = format!("GET /a?b HTTP/1.1|{}|a=1; b=2|", Proxy::host());
    assert_eq!(body.to_bytes(), expected);

    let request = get("/")
        .method("POST")
        .body(Full::from("something").boxed_unsync())
        .expect("a request");
    let body = client.send(request).await.into_body().collect().await;
    let body = body.expect("a body").to_bytes();
    assert!(body.ends_with(b"|something"), "{body:?}");

    // Two names of one host, and none at all.
    let two = get("/")
        .header("host", "eai.test")
        .body(Empty::new().boxed_unsync())
        .expect("a request");
    assert_eq!(client.send(two).await.status(), 400);
}

#[tokio::test]
async fn a_call_goes_from_end_to_end_with_its_trailers() {
    let connections = Arc::default();
    let (address, _server) = echo(Arc::clone(&connections)).await;
    let proxy = Proxy::start(|_, _| {}).await;
    proxy.routes.to(address);
    proxy.routes.identify("somebody", "snow.testacc");
    let mut client = Client::connect(proxy.address).await;
    let answer = client.send(call(&["one", "two"], true)).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-te"], "trailers");
    assert_eq!(answer.headers()["x-user"], "somebody");
    assert_eq!(answer.headers()["x-authority"], Proxy::host().as_str());
    assert!(answer.headers().contains_key("server-timing"));
    let body = answer.into_body().collect().await.expect("a body");
    let trailers = body.trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "onetwo");
    until("the end of the call", || proxy.routes.in_flight() == 0).await;

    // Many at a time share a connection to the application.
    let calls = (0..50).map(|_| {
        let mut sender = client.sender.clone();
        async move {
            let answer = within("an answer", sender.send_request(call(&["x"], false))).await;
            let body = answer.expect("an answer").into_body().collect().await;
            body.expect("a body").trailers().is_some()
        }
    });
    let whole = futures::future::join_all(calls).await;
    assert!(whole.into_iter().all(|trailers| trailers));
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_message_of_a_call_does_not_wait_for_the_next() {
    let (address, _server) = echo(Arc::default()).await;
    let proxy = Proxy::start(|_, _| {}).await;
    proxy.routes.to(address);
    let mut client = Client::connect(proxy.address).await;
    let (mut sender, receiver) = futures::channel::mpsc::channel::<Bytes>(1);
    let body = StreamBody::new(receiver.map(|bytes| Ok(Frame::data(bytes))));
    let (parts, _) = call(&[], false).into_parts();
    let answer = client
        .send(Request::from_parts(parts, body.boxed_unsync()))
        .await;
    let mut answer = answer.into_body();
    for word in ["one", "two", "three"] {
        sender.try_send(Bytes::from(word)).expect("room for one");
        let frame = within("a frame", answer.frame()).await.expect("no end");
        let data = frame.expect("a frame").into_data().expect("data");
        assert_eq!(data, word);
    }
    drop(sender);
    let last = within("a frame", answer.frame()).await.expect("trailers");
    assert!(last.expect("a frame").is_trailers());
}

#[tokio::test]
async fn an_application_that_speaks_no_http_2_cannot_be_called() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.send(call(&["one"], false)).await;
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.headers()["x-eai-error"], "reset");
}

#[tokio::test]
async fn a_connection_with_nothing_to_do_ends() {
    let application = Application::fine().await;
    let proxy = Proxy::start(|_, limits| limits.head = Duration::from_millis(200)).await;
    proxy.routes.to(application.address);
    let mut client = Client::connect(proxy.address).await;
    let request = get("/")
        .body(Empty::new().boxed_unsync())
        .expect("a request");
    assert_eq!(client.send(request).await.status(), 200);
    let ended = within("the end", client.connection)
        .await
        .expect("no panic");
    assert!(ended.is_ok(), "told to go: {ended:?}");
}
