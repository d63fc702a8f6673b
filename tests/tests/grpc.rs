//! Calls of gRPC to a stock server of Python, over TLS and without.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;
use std::fs;

use eai_tests::{Backend, Certificate, Platform, Service, Setup, app, within};
use futures::StreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A service that runs `grpc_echo.py`.
fn echo(platform: &Platform) -> Service {
    let requirements = platform.path("requirements.txt");
    fs::write(&requirements, "grpcio==1.76.0\n").unwrap();
    let service = Service::empty(platform, "echo");
    service.push(platform, &app("grpc_echo.py"));
    let requirements = requirements.to_str().unwrap();
    let flags = ["--requirements", requirements, "-e", "PYTHONPATH=/service"];
    let command = ["python3", "-u", "/service/grpc_echo.py"];
    service.update(platform, &flags, &command).ok();
    service
}

async fn open<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> SendRequest<Body> {
    let io = TokioIo::new(stream);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A message as gRPC frames it.
fn framed(message: &str) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message.as_bytes()].concat().into()
}

async fn call(
    sender: &mut SendRequest<Body>,
    (scheme, host, token): (&str, &str, &str),
    method: &str,
    body: Body,
) -> Response<Incoming> {
    let request = Request::post(format!("{scheme}://{host}/test.Echo/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        .body(body)
        .unwrap();
    within("an answer", sender.send_request(request))
        .await
        .unwrap()
}

async fn calls_of_grpc(
    platform: &Platform,
    service: &Service,
    token: &str,
    tls: Option<&Certificate>,
) {
    let scheme = tls.map_or("http", |_| "https");
    let mut sender = match tls {
        None => open(TcpStream::connect(platform.address()).await.unwrap()).await,
        Some(tls) => {
            let connected = tls.connect(platform.address(), &["h2", "http/1.1"]).await;
            let (stream, agreed) = connected.unwrap();
            assert_eq!(agreed.as_deref(), Some("h2"));
            open(stream).await
        }
    };
    let to = (scheme, service.host.as_str(), token);

    let one = || Full::from(framed("one")).boxed_unsync();
    let answer = call(&mut sender, to, "Say", one()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let body = within("the end", answer.into_body().collect())
        .await
        .unwrap();
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-last"], "said");
    assert_eq!(body.to_bytes(), framed("ONE"));

    // Both sides speak in turn.
    let (mut say, said) = futures::channel::mpsc::channel::<Bytes>(1);
    let said = StreamBody::new(said.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync();
    say.try_send(framed("a")).unwrap();
    let mut answer = call(&mut sender, to, "Each", said).await.into_body();
    for (word, next) in [("A", Some("b")), ("B", Some("c")), ("C", None)] {
        let frame = within("a message", answer.frame()).await.expect("no end");
        assert_eq!(frame.unwrap().into_data().expect("data"), framed(word));
        match next {
            Some(next) => say.try_send(framed(next)).unwrap(),
            None => say.close_channel(),
        }
    }
    let last = within("the end", answer.frame()).await.expect("trailers");
    let last = last.unwrap().into_trailers().expect("trailers");
    assert_eq!(last["grpc-status"], "0");

    // A refusal of the application is its own.
    let answer = call(&mut sender, to, "No", one()).await;
    let (parts, body) = answer.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned();
    let status = trailers.unwrap_or_default().remove("grpc-status");
    let status = status.or_else(|| parts.headers.get("grpc-status").cloned());
    assert_eq!(status.expect("a status"), "9");

    // One of the platform is what gRPC makes of a status of HTTP.
    let stranger = (scheme, service.host.as_str(), "x");
    let answer = call(&mut sender, stranger, "Say", one()).await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_stock_server_is_called_with_and_without_tls() {
    let mut platform = Platform::on(Backend::Process);
    let service = echo(&platform);
    let token = platform.token();
    calls_of_grpc(&platform, &service, &token, None).await;
    platform.stop();
    let certificate = Certificate::write(platform.home());
    let setup = Setup::flags(certificate.flags()).on(Backend::Process);
    platform.set_up(setup);
    platform.up();
    calls_of_grpc(&platform, &service, &token, Some(&certificate)).await;
}
