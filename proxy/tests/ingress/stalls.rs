//! Peers that are silent, slow or stalled are cut off in time, and honest ones are not.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::support::{Application, Proxy, Wire, until, within};

const SHORT: Duration = Duration::from_millis(400);

async fn strict(application: &Application) -> Proxy {
    let proxy = Proxy::start(|_, limits| {
        limits.head = SHORT;
        limits.body_stall = SHORT;
        limits.read_stall = SHORT;
    })
    .await;
    proxy.routes.to(application.address);
    proxy
}

#[tokio::test]
async fn silent_and_slow_heads_are_ended() {
    let application = Application::fine().await;
    let proxy = strict(&application).await;
    let mut wires = Vec::new();
    for number in 0..200 {
        let mut wire = proxy.connect().await;
        if number % 2 == 0 {
            wire.send("GET / HTTP/1.1\r\nhost: ").await;
        }
        wires.push(wire);
    }
    // Meanwhile honest ones are served.
    let mut honest = proxy.ask("GET /", &[]).await;
    assert_eq!(honest.answer().await.1, "ok");
    for mut wire in wires {
        assert!(within("the end", wire.ended()).await);
    }
    // One byte now and then is no head either.
    let mut wire = proxy.connect().await;
    let dripping = async {
        while wire.stream.write_all(b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 16).await;
        }
    };
    within("the end", dripping).await;
    assert_eq!(application.recorded().len(), 1);
}

#[tokio::test]
async fn a_stalled_body_is_cut_off() {
    let (tell, mut told) = mpsc::channel(16);
    let application = Application::start(move |mut wire: Wire| {
        let tell = tell.clone();
        async move {
            wire.head().await.expect("a request");
            tell.try_send(wire.rest().await).expect("a listener");
        }
    })
    .await;
    let proxy = strict(&application).await;
    let mut wire = proxy.ask("POST /", &["content-length: 100"]).await;
    wire.send("half").await;
    let (head, body) = within("an answer", wire.answer()).await;
    assert_eq!(head.status(), 408);
    assert!(body.contains("body-stalled"), "{body}");
    assert!(wire.ended().await);
    assert_eq!(within("the end", told.recv()).await, Some(b"half".to_vec()));
    until("its end", || proxy.routes.in_flight() == 0).await;
}

#[tokio::test]
async fn a_slow_body_that_moves_is_not() {
    let application = Application::fine().await;
    let proxy = strict(&application).await;
    let mut wire = proxy.ask("POST /", &["content-length: 20"]).await;
    for _ in 0..20 {
        tokio::time::sleep(SHORT / 16).await;
        wire.send("x").await;
    }
    assert_eq!(wire.answer().await.1, "ok");
}

#[tokio::test]
async fn a_body_may_stall_while_its_answer_streams() {
    let application = Application::start(async |mut wire: Wire| {
        wire.head().await.expect("a request");
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        tokio::time::sleep(SHORT * 4).await;
        wire.send("2\r\nok\r\n0\r\n\r\n").await;
        wire.rest().await;
    })
    .await;
    let proxy = strict(&application).await;
    let mut wire = proxy.ask("POST /", &["transfer-encoding: chunked"]).await;
    wire.send("1\r\nx\r\n").await;
    let (head, body) = within("an answer", wire.answer()).await;
    assert_eq!((head.status(), body.as_str()), (200, "ok"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let application = Application::start(async |mut wire: Wire| {
        wire.head().await.expect("a request");
        wire.send("HTTP/1.1 200 OK\r\n\r\n").await;
        let block = vec![b'x'; 64 * 1024];
        while wire.stream.write_all(&block).await.is_ok() {}
    })
    .await;
    let proxy = strict(&application).await;
    let mut wire = proxy.ask("GET /", &[]).await;
    until("a request", || proxy.routes.in_flight() == 1).await;
    until("its end", || proxy.routes.in_flight() == 0).await;
    // What was sent before is there, and then the connection is broken.
    let mut buffer = vec![0; 1 << 20];
    while matches!(wire.stream.read(&mut buffer).await, Ok(read) if read > 0) {}

    // A slow one that reads is served on.
    let mut wire = proxy.ask("GET /", &[]).await;
    let mut total = 0;
    for _ in 0..32 {
        tokio::time::sleep(SHORT / 16).await;
        let read = within("bytes", wire.stream.read(&mut buffer)).await;
        total += read.expect("a connection");
    }
    assert!(total > 0);
    assert_eq!(proxy.routes.in_flight(), 1);
}

#[tokio::test]
async fn requests_in_flight_end_before_the_listener_does() {
    let (tell, mut told) = mpsc::channel(16);
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    let goes = std::sync::Arc::clone(&go);
    let application = Application::start(move |mut wire: Wire| {
        let (tell, goes) = (tell.clone(), std::sync::Arc::clone(&goes));
        async move {
            wire.head().await.expect("a request");
            tell.try_send(()).expect("a listener");
            goes.notified().await;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
            wire.rest().await;
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let address = proxy.address;
    let mut idle = proxy.connect().await;
    idle.send("GET / HTTP/1.1\r\nhost: eai.test\r\n\r\n").await;
    assert_eq!(idle.answer().await.1, "the platform");
    let mut wire = proxy.ask("GET /", &[]).await;
    within("a request", told.recv()).await.expect("a request");
    proxy.stop();
    assert!(within("the end", idle.ended()).await);
    go.notify_one();
    let (head, body) = within("an answer", wire.answer()).await;
    assert_eq!((head.status(), body.as_str()), (200, "ok"));
    assert!(wire.ended().await);
    let took = proxy.end().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
