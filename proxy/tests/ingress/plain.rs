//! Requests and answers, as they should be.

use super::support::{Application, Proxy, Wire, ok, within};

#[tokio::test]
async fn a_request_reaches_the_application_and_its_answer_the_client() {
    let application = Application::answering(|_| {
        Some("HTTP/1.1 201 Made\r\nx-own: 1\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 5\r\n\r\nhello".into())
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let headers = ["content-length: 4", "x-mine: 1"];
    let mut wire = proxy.ask("POST /a%20b/../c?d=e%2F", &headers).await;
    wire.send("body").await;
    let (head, body) = wire.answer().await;
    assert_eq!((head.status(), body.as_str()), (201, "hello"));
    assert_eq!(head.one("x-own"), Some("1"));
    assert_eq!(head.all("set-cookie"), ["a=1", "b=2"]);
    let timing = head.one("server-timing").expect("a timing");
    assert!(timing.starts_with("proxy;dur="), "{timing}");

    let seen = application.only();
    assert_eq!(seen.head.line, "POST /a%20b/../c?d=e%2F HTTP/1.1");
    assert_eq!(seen.head.one("host"), Some(Proxy::host().as_str()));
    assert_eq!(seen.head.one("x-mine"), Some("1"));
    assert_eq!(seen.head.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.body, b"body");
    assert_eq!(proxy.routes.in_flight(), 0);
}

#[tokio::test]
async fn a_connection_serves_the_platform_and_services_in_turn() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.connect().await;
    for _ in 0..3 {
        wire.send("GET / HTTP/1.1\r\nhost: eai.test\r\n\r\n").await;
        assert_eq!(wire.answer().await.1, "the platform");
        wire.send("GET / HTTP/1.1\r\nhost: other.test:80\r\n\r\n")
            .await;
        assert_eq!(wire.answer().await.1, "the platform");
        let host = Proxy::host().to_uppercase();
        wire.send(format!("GET / HTTP/1.1\r\nhost: {host}:99\r\n\r\n"))
            .await;
        assert_eq!(wire.answer().await.1, "ok");
    }
    assert_eq!(application.recorded().len(), 3);
    assert_eq!(application.connections(), 1);
}

#[tokio::test]
async fn heads_without_bodies_say_how_long_those_would_be() {
    let application = Application::answering(|seen| {
        Some(match seen.head.line.split(' ').nth(1) {
            Some("/head") => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n".into(),
            Some("/chunked") => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(),
            Some("/same") => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n".into(),
            Some("/none") => "HTTP/1.1 204 No Content\r\n\r\n".into(),
            _ => ok("fine"),
        })
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.connect().await;
    for (line, status, length) in [
        ("HEAD /head", 200, Some("1234")),
        ("HEAD /chunked", 200, None),
        ("GET /same", 304, None),
        ("GET /none", 204, None),
    ] {
        wire.send(super::support::request(line, &[])).await;
        let head = wire.head().await.expect("an answer");
        assert_eq!(head.status(), status, "{line}");
        assert_eq!(head.one("content-length"), length, "{line}");
    }
    wire.send(super::support::request("GET /", &[])).await;
    assert_eq!(wire.answer().await.1, "fine");
    assert_eq!(application.connections(), 1);
}

#[tokio::test]
async fn bodies_without_a_length_are_whole_bodies() {
    let application = Application::start(async |mut wire: Wire| {
        let head = wire.head().await.expect("a request");
        let body = wire.body(&head).await.expect("a body");
        wire.send("HTTP/1.0 200 OK\r\nx-http: 1.0\r\n\r\n").await;
        wire.send(body).await;
    })
    .await;
    let proxy = Proxy::before(&application).await;
    for line in ["POST /", "GET /", "DELETE /"] {
        let mut wire = proxy.ask(line, &["transfer-encoding: chunked"]).await;
        wire.send("3\r\nabc\r\n2;extension=1\r\nde\r\n0\r\n\r\n")
            .await;
        let (head, body) = wire.answer().await;
        assert_eq!(body, "abcde", "{line}");
        assert_eq!(head.line, "HTTP/1.1 200 OK");
        assert_eq!(head.one("transfer-encoding"), Some("chunked"));
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let application = Application::start(async |mut wire: Wire| {
        let head = wire.head().await.expect("a request");
        assert_eq!(head.one("te"), Some("trailers"));
        let (body, trailers) = wire.chunks().await.expect("a body");
        let sum = trailers.one("x-sum").expect("a trailer").to_owned();
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-back\r\n\r\n")
            .await;
        let length = body.len();
        wire.send(format!("{length:x}\r\n")).await;
        wire.send(body).await;
        wire.send(format!("\r\n0\r\nx-back: {sum}\r\n\r\n")).await;
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let headers = [
        "transfer-encoding: chunked",
        "trailer: x-sum",
        "te: trailers",
    ];
    let mut wire = proxy.ask("POST /", &headers).await;
    wire.send("4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n").await;
    let head = wire.head().await.expect("an answer");
    assert_eq!(head.one("trailer"), Some("x-back"));
    let (body, trailers) = wire.chunks().await.expect("a body");
    assert_eq!(body, b"body");
    assert_eq!(trailers.one("x-back"), Some("42"));
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_once_somebody_reads() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    let hold = proxy.routes.hold();
    let headers = ["content-length: 4", "expect: 100-continue"];
    let mut wire = proxy.ask("PUT /", &headers).await;
    super::support::until("a waiter", || proxy.routes.waiting() == 1).await;
    let early = wire.stream.try_read(&mut [0; 64]);
    assert!(early.is_err(), "an answer before anybody is there");
    hold.notify_one();
    assert_eq!(wire.head().await.expect("a head").status(), 100);
    wire.send("body").await;
    assert_eq!(wire.answer().await.1, "ok");
    assert_eq!(application.only().body, b"body");

    // And where the answer is no, no body is sent.
    proxy
        .routes
        .fail(eai_proxy::ingress::Failure::off("the service is off"));
    let headers = ["content-length: 40000000", "expect: 100-continue"];
    let mut wire = proxy.ask("PUT /", &headers).await;
    hold.notify_one();
    let head = within("an answer", wire.head()).await.expect("a head");
    assert_eq!(head.status(), 503);
}

#[tokio::test]
async fn clients_of_http_1_0_are_served() {
    let application = Application::answering(|_| {
        Some("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into())
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let host = Proxy::host();
    let mut wire = proxy.connect().await;
    wire.send(format!("GET / HTTP/1.0\r\nhost: {host}\r\n\r\n"))
        .await;
    let head = wire.head().await.expect("an answer");
    assert_eq!(head.status(), 200);
    assert_eq!(head.one("transfer-encoding"), None);
    assert_eq!(wire.rest().await, b"ok");
    assert_eq!(application.only().head.line, "GET / HTTP/1.1");
}
