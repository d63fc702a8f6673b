//! Requests with two meanings are refused, or reach the application as exactly one.

use std::time::Duration;

use super::support::{Application, Proxy, Wire, ok, request, until, within};

/// What hides behind each of them, and must never arrive as a request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: x\r\nx-hidden: ";

/// A proxy that gives up soon on what does not come.
async fn impatient(application: &Application) -> Proxy {
    let proxy = Proxy::start(|_, limits| {
        limits.head = Duration::from_millis(200);
        limits.body_stall = Duration::from_millis(200);
    })
    .await;
    proxy.routes.to(application.address);
    proxy
}

/// The statuses of all that comes back, until the connection ends.
async fn statuses(proxy: &Proxy, bytes: &[u8]) -> Vec<u16> {
    let mut wire = proxy.connect().await;
    wire.send(bytes).await;
    let text = String::from_utf8(wire.rest().await).expect("text");
    let heads = text.split("HTTP/1.1 ").skip(1);
    heads
        .map(|head| head.get(..3).and_then(|status| status.parse().ok()))
        .map(|status| status.expect("a status"))
        .collect()
}

/// A POST with these lines in its head, and this body with the hidden request behind it.
fn post(lines: &str, body: &str) -> String {
    let host = Proxy::host();
    format!("POST /seen HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n\r\n{body}{HIDDEN}")
}

#[tokio::test]
async fn what_cannot_be_framed_is_refused() {
    let application = Application::fine().await;
    let proxy = impatient(&application).await;
    let host = Proxy::host();
    let head = |lines: &str| format!("GET /seen HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n\r\n");
    let mut corpus = vec![
        head("a: 1\r\n folded"),
        head("a: 1\r\n\tfolded"),
        head("transfer-encoding : chunked"),
        head("host : x"),
        head(": x"),
        head("no colon"),
        head("a\0: x"),
        head("a: x\0"),
        head("a: x\ry: z"),
        head("(a): x"),
        format!("GET  /seen HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET /seen  HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET /se en HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET\t/seen HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("G(T /seen HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET /seen HTTP/2.0\r\nhost: {host}\r\n\r\n"),
        format!("GET /seen HTTP/1.2\r\nhost: {host}\r\n\r\n"),
        format!("GET /seen\r\nhost: {host}\r\n\r\n"),
        format!(
            "POST /seen HTTP/1.0\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        // Hosts.
        "GET /seen HTTP/1.1\r\n\r\n".into(),
        format!("GET /seen HTTP/1.1\r\nhost: {host}\r\nhost: {host}\r\n\r\n"),
        format!("GET /seen HTTP/1.1\r\nhost: {host}\r\nHost: other.test\r\n\r\n"),
        format!("GET http://other.test/seen HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET http://user@{host}/seen HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET http://{host}:81/seen HTTP/1.1\r\nhost: {host}\r\n\r\n"),
        format!("GET /seen HTTP/1.1\r\nhost: {host}, other.test\r\n\r\n"),
        format!("GET /seen HTTP/1.1\r\nhost: {host}@other.test\r\n\r\n"),
        format!("GET /seen HTTP/1.1\r\nhost: {host}/\r\n\r\n"),
        format!("GET /seen HTTP/1.1\r\nhost: {host}:80:80\r\n\r\n"),
        format!("CONNECT {host}:80 HTTP/1.1\r\nhost: {host}:80\r\n\r\n"),
    ];
    for length in [
        "+4",
        "-4",
        "0x4",
        "4 4",
        "4,5",
        "4;",
        "",
        "four",
        "18446744073709551617",
        "4\r\ncontent-length: 5",
        "5\r\ncontent-length: 4",
    ] {
        corpus.push(post(&format!("content-length: {length}"), "body"));
    }
    for encoding in [
        "xchunked",
        "chunked, identity",
        "chunked, chunked",
        "identity",
        "gzip, chunked",
        "\u{b}chunked",
        "chunked\r\ntransfer-encoding: identity",
        "identity\r\ntransfer-encoding: chunked",
        "\"chunked\"",
        "chunked;q=1",
        "",
    ] {
        corpus.push(post(&format!("transfer-encoding: {encoding}"), "0\r\n\r\n"));
    }
    for chunks in [
        "10000000000000000\r\nx",
        "-1\r\nx",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "g\r\n",
        "\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
    ] {
        corpus.push(post("transfer-encoding: chunked", chunks));
    }
    for bytes in corpus {
        let statuses = statuses(&proxy, bytes.as_bytes()).await;
        assert_eq!(statuses, [400], "{bytes:?}");
        assert!(application.recorded().is_empty(), "{bytes:?}");
    }
    // Whoever begins with HTTP/2 is spoken to in nothing else: what is behind that is no request of HTTP/1.
    let preface = format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", post("", ""));
    let mut wire = proxy.connect().await;
    wire.send(preface.as_bytes()).await;
    let said = wire.rest().await;
    assert!(!said.windows(6).any(|word| word == b"HTTP/1"), "{said:?}");
    assert!(application.recorded().is_empty());
    assert_eq!(proxy.routes.in_flight(), 0);
}

#[tokio::test]
async fn what_can_be_framed_is_one_request() {
    let host = Proxy::host();
    let chunked = "transfer-encoding: chunked";
    let hidden = format!("{HIDDEN}1\r\n\r\n");
    let length = hidden.len();
    for (bytes, body) in [
        (
            post(&format!("content-length: 6\r\n{chunked}"), "0\r\n\r\n"),
            "",
        ),
        (
            post(&format!("{chunked}\r\ncontent-length: 6"), "0\r\n\r\n"),
            "",
        ),
        (
            post(
                &format!("content-length: 0\r\n{chunked}"),
                "1\r\nx\r\n0\r\n\r\n",
            ),
            "x",
        ),
        (
            post(
                "content-length: 4\r\ncontent-length: 4\r\nconnection: close",
                "body",
            ),
            "body",
        ),
        (
            post(
                "Transfer-Encoding: CHUNKED\r\nconnection: close",
                "1\r\nx\r\n0\r\n\r\n",
            ),
            "x",
        ),
        (
            post(
                &format!("{chunked}\r\nconnection: close, transfer-encoding"),
                "1\r\nx\r\n0\r\n\r\n",
            ),
            "x",
        ),
        (
            post(
                "content-length: 4\r\nconnection: close, content-length, host",
                "body",
            ),
            "body",
        ),
        (
            post(
                &format!("{chunked}\r\ntrailer: content-length, host\r\nconnection: close"),
                "1\r\nx\r\n0\r\ncontent-length: 9\r\nhost: other\r\n\r\n",
            ),
            "x",
        ),
        (
            post(
                "content-length: 0\r\nconnection: close, upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x",
                "",
            ),
            "",
        ),
        (
            format!(
                "GET /seen HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{hidden}"
            ),
            hidden.as_str(),
        ),
        (
            format!(
                "POST /seen HTTP/1.1\nhost: {host}\nconnection: close\ncontent-length: 1\n\nx{HIDDEN}"
            ),
            "x",
        ),
        (
            format!(
                "POST http://{host}/seen HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
            ),
            "x",
        ),
    ] {
        let application = Application::fine().await;
        let proxy = impatient(&application).await;
        assert_eq!(statuses(&proxy, bytes.as_bytes()).await, [200], "{bytes:?}");
        let seen = application.only();
        assert!(seen.head.line.ends_with(" /seen HTTP/1.1"), "{bytes:?}");
        assert_eq!(
            String::from_utf8(seen.body).expect("text"),
            body,
            "{bytes:?}"
        );
        assert_eq!(seen.head.all("host").len(), 1, "{bytes:?}");
        assert_eq!(seen.head.one("upgrade"), None, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_shorter_than_said_never_arrives_whole() {
    let application = Application::fine().await;
    let proxy = impatient(&application).await;
    let bytes = format!(
        "POST /seen HTTP/1.1\r\nhost: {}\r\ncontent-length: 9\r\n\r\nbody",
        Proxy::host()
    );
    assert_eq!(statuses(&proxy, bytes.as_bytes()).await, [408]);
    assert!(application.recorded().is_empty());
}

#[tokio::test]
async fn heads_have_a_bound() {
    let application = Application::fine().await;
    let proxy = impatient(&application).await;
    let host = Proxy::host();
    let long = "a".repeat(70_000);
    let many = "a: b\r\n".repeat(200);
    for (bytes, status) in [
        (
            format!("GET / HTTP/1.1\r\nhost: {host}\r\na: {long}\r\n\r\n"),
            431,
        ),
        (format!("GET / HTTP/1.1\r\nhost: {host}\r\n{many}\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nhost: {host}\r\n\r\n"), 431),
    ] {
        let mut wire = proxy.connect().await;
        // It may be refused before all of it is sent.
        let sending = tokio::io::AsyncWriteExt::write_all(&mut wire.stream, bytes.as_bytes()).await;
        let head = within("an answer", wire.head()).await;
        match head {
            Some(head) => assert!(head.status() == status || head.status() == 414, "{head:?}"),
            None => assert!(sending.is_err() || wire.ended().await),
        }
    }
    assert!(application.recorded().is_empty());
    let fine = "b".repeat(50_000);
    let head = request("GET /", &[&format!("a: {fine}"), "connection: close"]);
    assert_eq!(statuses(&proxy, head.as_bytes()).await, [200]);
}

#[tokio::test]
async fn an_answer_that_is_longer_than_it_says_is_nobody_elses() {
    let application = Application::start(async |mut wire: Wire| {
        while let Some(head) = wire.head().await {
            let own = ok(head.line.split(' ').nth(1).expect("a path"));
            wire.send(format!(
                "{own}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
            ))
            .await;
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    for number in 0..50 {
        let path = format!("/{number}");
        let mut wire = proxy
            .ask(&format!("GET {path}"), &["connection: close"])
            .await;
        assert_eq!(wire.answer().await.1, path);
    }
    assert_eq!(application.connections(), 50);
}

#[tokio::test]
async fn answers_that_cannot_be_framed_are_failures() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\na: 1\r\n folded\r\ncontent-length: 4\r\n\r\nbody",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        "HELLO\r\n\r\n",
        "\0\0\0\0",
    ] {
        let application = Application::answering(move |_| Some(answer.into())).await;
        let proxy = Proxy::before(&application).await;
        let mut wire = proxy.ask("GET /", &["connection: close"]).await;
        let (head, body) = wire.answer().await;
        assert_eq!(head.status(), 502, "{answer:?} {body}");
        assert_eq!(head.one("x-eai-error"), Some("reset"), "{answer:?}");
        until("its end", || proxy.routes.in_flight() == 0).await;
    }
}
