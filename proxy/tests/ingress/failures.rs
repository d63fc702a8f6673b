//! What clients are told where no application answers.

use std::time::Duration;

use eai_proxy::ingress::{ColdStart, Failure, Target};
use serde_json::Value;
use tokio::net::TcpListener;

use super::support::{Application, Head, Proxy, Wire, until};

async fn refused(proxy: &Proxy, headers: &[&str]) -> (Head, Value) {
    let (head, body) = proxy.ask("GET /", headers).await.answer().await;
    let body = serde_json::from_str(&body).expect("JSON");
    (head, body)
}

#[tokio::test]
async fn routes_that_fail_say_how() {
    let proxy = Proxy::start(|_, _| {}).await;
    let lines = vec!["Traceback".to_owned(), "<boom>".to_owned()];
    for (failure, status, code, cause, retry) in [
        (Failure::not_found("m"), 404, "not-found", None, None),
        (
            Failure::unauthenticated("m"),
            401,
            "unauthenticated",
            None,
            None,
        ),
        (Failure::forbidden("m"), 403, "forbidden", None, None),
        (Failure::off("m"), 503, "service-off", None, Some("5")),
        (
            Failure::starting("m"),
            503,
            "service-starting",
            None,
            Some("5"),
        ),
        (Failure::overloaded("m"), 503, "busy", None, Some("1")),
        (
            Failure::start_failed("m").lines(lines),
            502,
            "start-failed",
            Some("start-failed"),
            None,
        ),
    ] {
        proxy.routes.fail(failure);
        let (head, body) = refused(&proxy, &[]).await;
        assert_eq!(head.status(), status);
        assert_eq!(head.one("x-eai-error"), cause);
        assert_eq!(head.one("retry-after"), retry);
        assert_eq!(body["error"]["code"], code);
        assert_eq!(body["error"]["status"], status);
        assert_eq!(body["error"]["message"], "m");
        let output = body["error"]["output"].as_array().map(Vec::len);
        assert_eq!(output, (code == "start-failed").then_some(2));
    }
    let mut wire = proxy.ask("GET /", &["accept: text/html,*/*;q=0.8"]).await;
    let (head, page) = wire.answer().await;
    assert_eq!(head.one("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.contains("&lt;boom&gt;") && page.contains("start-failed"),
        "{page}"
    );
}

#[tokio::test]
async fn hosts_that_name_nothing_are_not_found() {
    let proxy = Proxy::start(|_, _| {}).await;
    for host in [
        "nothing.service.eai.test",
        "nothing.job.eai.test:80",
        "a.b.c.d.service.eai.test",
    ] {
        let mut wire = proxy.connect().await;
        let post = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 30000\r\n\r\n");
        wire.send(post).await;
        wire.send("x".repeat(30_000)).await;
        let (head, body) = wire.answer().await;
        assert_eq!(head.status(), 404, "{host}");
        assert!(body.contains(host), "{body}");
        // The connection is as good as before.
        wire.send("GET / HTTP/1.1\r\nhost: eai.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.1, "the platform");
    }
    assert_eq!(proxy.routes.asked(), 0);
    let mut wire = proxy.connect().await;
    wire.send("GET / HTTP/1.1\r\nhost: web-81.testacc.snow.service.eai.test\r\n\r\n")
        .await;
    assert_eq!(wire.answer().await.0.status(), 404);
    let name = "snow.testacc.web".parse().expect("a name");
    let port = Some(81);
    assert_eq!(proxy.routes.targets(), [Target::ServiceName { name, port }]);
}

#[tokio::test]
async fn an_application_that_does_not_listen_is_said_so() {
    let proxy = Proxy::start(|_, _| {}).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    proxy.routes.to(address);
    let (head, body) = refused(&proxy, &[]).await;
    assert_eq!(head.status(), 502);
    assert_eq!(head.one("x-eai-error"), Some("connect"));
    let message = body["error"]["message"].as_str().expect("a message");
    assert!(
        message.contains(&format!("port {}", address.port())),
        "{message}"
    );

    // Nothing was sent, so whoever is there instead may have it, with its body.
    let application = Application::fine().await;
    proxy.routes.then(application.address);
    let mut wire = proxy.ask("POST /", &["content-length: 4"]).await;
    wire.send("body").await;
    assert_eq!(wire.answer().await.1, "ok");
    assert_eq!(application.only().body, b"body");
    assert_eq!(proxy.routes.in_flight(), 0);
}

#[tokio::test]
async fn an_application_that_ends_the_connection_is_said_so() {
    let application = Application::answering(|_| None).await;
    let proxy = Proxy::before(&application).await;
    let (head, body) = refused(&proxy, &[]).await;
    assert_eq!(
        (head.status(), head.one("x-eai-error")),
        (502, Some("reset"))
    );
    assert_eq!(body["error"]["code"], "upstream-reset");
    assert_eq!(application.connections(), 1);
}

#[tokio::test]
async fn an_application_that_does_not_answer_has_a_deadline() {
    let application = Application::start(async |mut wire: Wire| {
        wire.rest().await;
    })
    .await;
    let proxy = Proxy::start(|settings, _| settings.answer = Duration::from_millis(50)).await;
    proxy.routes.to(application.address);
    let (head, body) = refused(&proxy, &[]).await;
    assert_eq!(
        (head.status(), head.one("x-eai-error")),
        (504, Some("timeout"))
    );
    assert_eq!(body["error"]["code"], "upstream-timeout");
    until("its end", || proxy.routes.in_flight() == 0).await;
}

#[tokio::test]
async fn what_an_application_says_in_our_name_is_not_believed() {
    let application = Application::answering(|_| {
        Some("HTTP/1.1 502 Bad\r\nx-eai-error: connect\r\nconnection: x-a\r\nx-a: 1\r\nkeep-alive: 1\r\ncontent-length: 0\r\n\r\n".into())
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let (head, _) = proxy.ask("GET /", &[]).await.answer().await;
    assert_eq!(head.status(), 502);
    for gone in ["x-eai-error", "x-a", "keep-alive", "connection"] {
        assert_eq!(head.one(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn the_phases_of_a_start_are_told_and_add_up() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    proxy.routes.started(ColdStart {
        ready: Duration::from_hours(1),
        ..ColdStart::default()
    });
    let (head, _) = proxy.ask("GET /", &[]).await.answer().await;
    let timing = head.one("server-timing").expect("a timing");
    let parts: Vec<(&str, f64)> = timing
        .split(", ")
        .filter_map(|part| part.split_once(";dur="))
        .map(|(name, time)| (name, time.parse().expect("a time")))
        .collect();
    let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "queue", "image", "data", "create", "start", "ready", "proxy", "total"
        ]
    );
    let sum: f64 = parts[..7].iter().map(|(_, time)| time).sum();
    assert!((sum - parts[7].1).abs() < 0.001, "{timing}");
    assert!(parts[7].1 < 20_000.0, "{timing}");
}
