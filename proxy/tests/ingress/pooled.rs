//! Connections to applications are used again, and a dead one costs nobody an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::support::{Application, Proxy, Wire, ok, request, until, within};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    for _ in 0..50 {
        let mut wire = proxy.ask("GET /", &["connection: close"]).await;
        assert_eq!(wire.answer().await.1, "ok");
    }
    assert_eq!(application.connections(), 1);
    let fifty: Vec<_> = (0..50)
        .map(|_| {
            let address = proxy.address;
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await;
                for _ in 0..20 {
                    wire.send(request("GET /", &[])).await;
                    assert_eq!(wire.answer().await.1, "ok");
                }
            })
        })
        .collect();
    for task in fifty {
        task.await.expect("no panic");
    }
    assert!(application.connections() <= 51);
}

#[tokio::test]
async fn applications_that_end_connections_when_they_like_cost_no_answer() {
    let application = Application::start(async |mut wire: Wire| {
        // Ends it without a word after a few requests, as a server does whose patience is over.
        for _ in 0..3 {
            if wire.head().await.is_none() {
                return;
            }
            wire.send(ok("ok")).await;
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let address = proxy.address;
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await;
                for _ in 0..50 {
                    wire.send(request("GET /", &[])).await;
                    let (head, body) = wire.answer().await;
                    assert_eq!((head.status(), body.as_str()), (200, "ok"));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
    assert!(application.connections() >= 20 * 50 / 3);
}

#[tokio::test]
async fn what_may_have_happened_is_not_repeated() {
    let posts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&posts);
    let application = Application::start(move |mut wire: Wire| {
        let counted = Arc::clone(&counted);
        async move {
            // The first request of a connection is answered, the second one is not.
            for first in [true, false] {
                let Some(head) = wire.head().await else {
                    return;
                };
                wire.body(&head).await.expect("a body");
                if head.line.starts_with("POST") {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                if first {
                    wire.send(ok("ok")).await;
                }
            }
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.connect().await;
    let mut ask = async |line: &str, body: &str| {
        let length = format!("content-length: {}", body.len());
        wire.send(request(line, &[&length])).await;
        wire.send(body).await;
        let (head, _) = wire.answer().await;
        (head.status(), head.one("x-eai-error").map(str::to_owned))
    };
    let reset = (502, Some("reset".to_owned()));
    assert_eq!(ask("GET /", "").await, (200, None));
    // The connection is dead, which is found out too late for this one.
    assert_eq!(ask("POST /", "").await, reset);
    assert_eq!(ask("GET /", "").await, (200, None));
    assert_eq!(ask("POST /", "body").await, reset);
    assert_eq!(ask("GET /", "").await, (200, None));
    assert_eq!(ask("PUT /", "body").await, reset);
    assert_eq!(posts.load(Ordering::SeqCst), 2);
    // Those that change nothing are sent again.
    for line in ["GET /", "GET /", "OPTIONS /", "DELETE /"] {
        assert_eq!(ask(line, "").await.0, 200, "{line}");
    }
}

#[tokio::test]
async fn an_application_that_ends_with_a_request_is_no_port_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = Proxy::start(|_, _| {}).await;
    proxy.routes.to(listener.local_addr().expect("an address"));
    let ends = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut wire = Wire::new(stream);
        wire.head().await;
        wire.send(ok("ok")).await;
        wire.head().await.expect("the second request");
        drop((listener, wire));
    });
    let mut wire = proxy.connect().await;
    wire.send(request("GET /", &[])).await;
    assert_eq!(wire.answer().await.0.status(), 200);
    wire.send(request("GET /", &[])).await;
    let (head, _) = wire.answer().await;
    assert_eq!(
        (head.status(), head.one("x-eai-error")),
        (502, Some("reset"))
    );
    ends.await.expect("no panic");
}

#[tokio::test]
async fn idle_connections_are_ended_before_applications_end_them() {
    let (tell, mut told) = mpsc::channel(16);
    let application = Application::start(move |mut wire: Wire| {
        let tell = tell.clone();
        async move {
            while wire.head().await.is_some() {
                wire.send(ok("ok")).await;
            }
            tell.try_send(()).expect("a listener");
        }
    })
    .await;
    let proxy = Proxy::start(|settings, _| settings.idle = Duration::from_millis(40)).await;
    proxy.routes.to(application.address);
    for round in 1..=3 {
        assert_eq!(proxy.ask("GET /", &[]).await.answer().await.1, "ok");
        assert_eq!(application.connections(), round);
        within("the end", told.recv()).await.expect("an end");
    }
    until("no request", || proxy.routes.in_flight() == 0).await;
}
