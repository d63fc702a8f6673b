//! NATS by WebSocket: off where it is not asked for, and for pages of the named origins only.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use eai_tests::{Platform, Setup};

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// What a browser or a program is answered, with the first that comes then.
fn handshake(address: &str, origin: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n"));
    let origin = origin.unwrap_or_default();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{origin}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut piece) = (String::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        answer += &String::from_utf8_lossy(&piece[..read]);
        if answer.contains("INFO {") || !answer.starts_with("HTTP/1.1 101") {
            break;
        }
    }
    answer
}

#[test]
fn pages_of_named_origins_and_programs_come_in_by_websocket() {
    let address = free_address();
    let origin = "https://status.example.org";
    let flags = [
        "--nats-websocket",
        &address,
        "--nats-websocket-origin",
        origin,
    ];
    let platform = Platform::start_with(Setup::flags(flags));
    for came in [Some(origin), None] {
        let answer = handshake(&address, came);
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        // It is the server itself, and it asks who is there.
        assert!(answer.contains("\"auth_required\":true"), "{answer}");
    }
    for foreign in [
        "https://example.org",
        "http://status.example.org",
        "https://status.example.org:8443",
        "null",
    ] {
        let answer = handshake(&address, Some(foreign));
        assert!(answer.starts_with("HTTP/1.1 403"), "{foreign}: {answer}");
    }
    drop(platform);
}

#[test]
fn without_origins_no_page_of_another_site_comes_in() {
    let address = free_address();
    let flags = ["--nats-websocket", &address];
    let _platform = Platform::start_with(Setup::flags(flags));
    let own = format!("http://{address}");
    assert!(handshake(&address, Some(&own)).starts_with("HTTP/1.1 101"));
    let foreign = handshake(&address, Some("https://example.org"));
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
}

#[test]
fn it_is_off_and_what_cannot_be_is_refused() {
    let platform = Platform::start();
    let config = fs::read_to_string(platform.data().join("nats/nats.conf")).unwrap();
    assert!(!config.contains("websocket"), "{config}");
    for wrong in [
        &["--nats-websocket", "127.0.0.1:0"][..],
        &["--nats-websocket", "here"],
        &["--nats-websocket-origin", "https://example.org"],
        &[
            "--nats-websocket",
            "127.0.0.1:1",
            "--nats-websocket-origin",
            "example.org",
        ],
        &[
            "--nats-websocket",
            "127.0.0.1:1",
            "--nats-websocket-origin",
            "*",
        ],
        &[
            "--nats-websocket",
            "127.0.0.1:1",
            "--nats-websocket-origin",
            "https://a.example/x",
        ],
    ] {
        let refused = platform.run(&[&["server"], wrong].concat(), &[]);
        assert_eq!(refused.code, 2, "{wrong:?}: {}", refused.err);
    }
}
