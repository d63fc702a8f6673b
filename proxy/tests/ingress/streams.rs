//! Bodies while they are on their way: events one by one, ends that are no ends, clients that leave.

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::support::{Application, Proxy, Wire, request, until, within};

#[tokio::test]
async fn events_arrive_one_by_one() {
    let go = Arc::new(Semaphore::new(0));
    let goes = Arc::clone(&go);
    let application = Application::start(move |mut wire: Wire| {
        let goes = Arc::clone(&goes);
        async move {
            wire.head().await.expect("a request");
            wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            for number in 0..20 {
                goes.acquire().await.expect("open").forget();
                let event = format!("data: {number}\n\n");
                wire.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            wire.send("0\r\n\r\n").await;
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.ask("GET /", &["accept: text/event-stream"]).await;
    let head = within("the head", wire.head()).await.expect("an answer");
    assert_eq!(head.one("content-type"), Some("text/event-stream"));
    for number in 0..20 {
        assert_eq!(proxy.routes.in_flight(), 1);
        go.add_permits(1);
        let event = format!("data: {number}\n\n");
        let chunk = format!("{:X}\r\n{event}\r\n", event.len());
        let got = wire.exactly(chunk.len()).await.expect("an event");
        assert_eq!(String::from_utf8(got).expect("text"), chunk);
    }
    assert_eq!(wire.exactly(5).await.expect("an end"), b"0\r\n\r\n");
    until("its end", || proxy.routes.in_flight() == 0).await;
}

#[tokio::test]
async fn both_sides_may_stream_at_once() {
    let application = Application::start(async |mut wire: Wire| {
        wire.head().await.expect("a request");
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        for _ in 0..5 {
            let chunk = wire.exactly(8).await.expect("a chunk");
            wire.send(chunk).await;
        }
        wire.send(wire_end()).await;
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.ask("POST /", &["transfer-encoding: chunked"]).await;
    within("the head", wire.head()).await.expect("an answer");
    for number in 0..5 {
        let chunk = format!("3\r\nno{number}\r\n");
        wire.send(&chunk).await;
        let back = within("an echo", wire.exactly(8)).await.expect("a chunk");
        assert_eq!(String::from_utf8(back).expect("text"), chunk);
    }
}

fn wire_end() -> &'static str {
    "0\r\n\r\n"
}

#[tokio::test]
async fn a_body_that_breaks_off_is_seen_to_be_broken() {
    for (head, part) in [
        ("content-length: 100", "half"),
        ("transfer-encoding: chunked", "4\r\nhalf\r\n"),
        ("transfer-encoding: chunked", "9\r\nhalf"),
    ] {
        for reset in [false, true] {
            let told = Arc::new(Notify::new());
            let tell = Arc::clone(&told);
            let application = Application::start(move |mut wire: Wire| {
                let told = Arc::clone(&told);
                async move {
                    wire.head().await.expect("a request");
                    wire.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{part}"))
                        .await;
                    told.notified().await;
                    if reset {
                        wire.stream.set_zero_linger().expect("a socket");
                    }
                }
            })
            .await;
            let proxy = Proxy::before(&application).await;
            let mut wire = proxy.ask("GET /", &[]).await;
            let answer = wire.head().await.expect("an answer");
            assert_eq!(answer.status(), 200);
            tell.notify_one();
            let broken = wire.body(&answer).await.expect_err("a broken body");
            assert_eq!(broken, b"half", "{head}");
            until("its end", || proxy.routes.in_flight() == 0).await;
        }
    }
}

/// An application that never answers, and tells when its connection has ended.
async fn silent() -> (Application, mpsc::Receiver<&'static str>) {
    let (tell, told) = mpsc::channel(16);
    let application = Application::start(move |mut wire: Wire| {
        let tell = tell.clone();
        async move {
            wire.head().await.expect("a request");
            tell.try_send("asked").expect("a listener");
            wire.rest().await;
            tell.try_send("left").expect("a listener");
        }
    })
    .await;
    (application, told)
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let (application, mut told) = silent().await;
    let proxy = Proxy::before(&application).await;
    let wire = proxy.ask("GET /", &[]).await;
    assert_eq!(within("a request", told.recv()).await, Some("asked"));
    drop(wire);
    assert_eq!(within("the end", told.recv()).await, Some("left"));
    until("its end", || proxy.routes.in_flight() == 0).await;

    // So does one that leaves within its own body.
    let mut wire = proxy.ask("POST /", &["content-length: 100"]).await;
    wire.send("half").await;
    assert_eq!(within("a request", told.recv()).await, Some("asked"));
    drop(wire);
    assert_eq!(within("the end", told.recv()).await, Some("left"));
    until("its end", || proxy.routes.in_flight() == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_waits_no_longer() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    let _hold = proxy.routes.hold();
    let post = request("POST /", &["content-length: 4"]) + "body";
    for asked in [request("GET /", &[]), post] {
        let mut wire = proxy.connect().await;
        wire.send(asked).await;
        until("a waiter", || proxy.routes.waiting() == 1).await;
        drop(wire);
        until("no waiter", || proxy.routes.waiting() == 0).await;
    }
    assert!(application.recorded().is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_application() {
    let (tell, mut told) = mpsc::channel(16);
    let application = Application::start(move |mut wire: Wire| {
        let tell = tell.clone();
        async move {
            wire.head().await.expect("a request");
            wire.send("HTTP/1.1 200 OK\r\n\r\n").await;
            let block = vec![b'x'; 64 * 1024];
            for sent in 1.. {
                let writing = wire.stream.write_all(&block);
                if tokio::time::timeout(std::time::Duration::from_millis(300), writing)
                    .await
                    .is_err()
                {
                    tell.try_send(sent).expect("a listener");
                    return;
                }
            }
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let _wire = proxy.ask("GET /", &[]).await;
    let blocks = within("a full buffer", told.recv()).await.expect("a count");
    assert!(blocks < 64 * 16, "{blocks} blocks of 64 KiB went nowhere");
}
