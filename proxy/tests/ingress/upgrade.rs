//! Connections that stop to be HTTP.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::support::{Application, Proxy, Wire, ok, until, within};

const ASKED: [&str; 3] = [
    "connection: keep-alive, Upgrade",
    "upgrade: websocket",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches, says `early`, and then repeats what it hears until it hears no more.
async fn echo() -> Application {
    Application::start(async |mut wire: Wire| {
        let head = wire.head().await.expect("a request");
        assert_eq!(head.one("upgrade"), Some("websocket"));
        assert_eq!(head.one("connection"), Some("upgrade"));
        wire.send(format!("{SWITCH}early")).await;
        loop {
            match wire.exactly(4).await {
                Ok(bytes) => wire.send(bytes).await,
                Err(rest) => {
                    wire.send(rest).await;
                    wire.send("end").await;
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_websocket_passes_both_ways_until_both_sides_have_ended() {
    let application = echo().await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.ask("GET /socket", &ASKED).await;
    // Said before the answer is there.
    wire.send("fast").await;
    let head = within("an answer", wire.head()).await.expect("an answer");
    assert_eq!(head.status(), 101);
    assert_eq!(head.one("upgrade"), Some("websocket"));
    assert_eq!(head.one("connection"), Some("upgrade"));
    assert_eq!(
        head.one("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(wire.exactly(9).await.expect("bytes"), b"earlyfast");
    for _ in 0..100 {
        wire.send("ping").await;
        assert_eq!(wire.exactly(4).await.expect("bytes"), b"ping");
    }
    assert_eq!(proxy.routes.in_flight(), 1);
    wire.send("x").await;
    wire.stream.shutdown().await.expect("a socket");
    assert_eq!(wire.rest().await, b"xend");
    until("its end", || proxy.routes.in_flight() == 0).await;
}

#[tokio::test]
async fn an_upgrade_may_be_silent_and_counts_as_a_connection() {
    let application = echo().await;
    let proxy = Proxy::start(|settings, limits| {
        limits.head = Duration::from_millis(50);
        limits.body_stall = Duration::from_millis(50);
        limits.read_stall = Duration::from_millis(50);
        limits.connections = 1;
        settings.half_open = Duration::from_millis(50);
    })
    .await;
    proxy.routes.to(application.address);
    let mut wire = proxy.ask("GET /socket", &ASKED).await;
    assert_eq!(wire.head().await.expect("an answer").status(), 101);
    assert_eq!(wire.exactly(5).await.expect("bytes"), b"early");
    // There is no place for a second one, longer than any of the limits.
    let mut second = proxy.ask("GET /socket", &ASKED).await;
    let early = tokio::time::timeout(Duration::from_millis(400), second.head()).await;
    assert!(early.is_err(), "{early:?}");
    wire.send("ping").await;
    assert_eq!(wire.exactly(4).await.expect("bytes"), b"ping");
    drop(wire);
    let head = within("a place", second.head()).await.expect("an answer");
    assert_eq!(head.status(), 101);
}

#[tokio::test]
async fn an_upgrade_with_one_side_ended_and_the_other_silent_ends() {
    let application = Application::start(async |mut wire: Wire| {
        wire.head().await.expect("a request");
        wire.send(SWITCH).await;
        wire.rest().await;
        // Keeps its own side open.
        std::future::pending::<()>().await;
    })
    .await;
    let proxy = Proxy::start(|settings, _| settings.half_open = Duration::from_millis(50)).await;
    proxy.routes.to(application.address);
    let mut wire = proxy.ask("GET /socket", &ASKED).await;
    assert_eq!(wire.head().await.expect("an answer").status(), 101);
    wire.stream.shutdown().await.expect("a socket");
    assert!(within("the end", wire.ended()).await);
    until("its end", || proxy.routes.in_flight() == 0).await;
}

#[tokio::test]
async fn an_application_may_refuse_an_upgrade() {
    let application = Application::fine().await;
    let proxy = Proxy::before(&application).await;
    let mut wire = proxy.ask("GET /socket", &ASKED).await;
    assert_eq!(wire.answer().await.1, "ok");
    wire.send(super::support::request("GET /", &[])).await;
    assert_eq!(wire.answer().await.1, "ok");
    assert_eq!(application.connections(), 1);
}

#[tokio::test]
async fn a_request_with_a_body_upgrades_nothing() {
    let application =
        Application::answering(|seen| Some(ok(seen.head.one("upgrade").unwrap_or("-")))).await;
    let proxy = Proxy::before(&application).await;
    let mut headers = ASKED.to_vec();
    headers.push("content-length: 4");
    let mut wire = proxy.ask("POST /", &headers).await;
    wire.send("body").await;
    assert_eq!(wire.answer().await.1, "-");
}
