//! Setting up: safe to repeat, and strict about server and stream.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use eai_core::log::{Fsync, STREAM, SetupError, check_server, connect_with, set_up};

use super::server::{MAX_BYTES, Server};
use super::support::{created, within};

#[tokio::test]
async fn it_may_be_repeated_and_the_log_may_grow() {
    let server = Server::start();
    let log = server.log_of(MAX_BYTES).await;
    created(&log, "web").await;
    let last = log.last_sequence().await.unwrap();
    let connection = server.connect().await;
    for bytes in [MAX_BYTES, MAX_BYTES, 2 * MAX_BYTES] {
        set_up(&connection, bytes).await.unwrap();
        let again = server.log_of(bytes).await;
        assert_eq!(again.usage().1, bytes);
        assert_eq!(
            again.last_sequence().await.unwrap(),
            last,
            "nothing is lost"
        );
    }
}

/// Makes a stream differ in a field.
type Change = fn(&mut Config);

#[tokio::test]
async fn a_stream_that_differs_is_refused_by_field() {
    let server = Server::start();
    drop(server.log().await);
    let connection = server.connect().await;
    let context = jetstream::new(server.client().await);
    let good = context.get_stream(STREAM).await.unwrap();
    let good = good.cached_info().config.clone();
    let changes: [(&str, Change); 5] = [
        ("max_age", |config| config.max_age = Duration::from_hours(1)),
        ("republish", |config| config.republish = None),
        ("discard", |config| {
            config.discard = jetstream::stream::DiscardPolicy::Old;
        }),
        ("subjects", |config| {
            config.subjects = vec!["eai.event.snow.>".into()];
            config.republish = None;
        }),
        // It can never be lifted again, so it comes last.
        ("deny_delete", |config| config.deny_delete = true),
    ];
    for (field, change) in changes {
        let mut config = good.clone();
        change(&mut config);
        context.update_stream(&config).await.unwrap();
        let error = set_up(&connection, MAX_BYTES).await.unwrap_err();
        let SetupError::Differs { differences, .. } = &error else {
            panic!("{field}: {error}");
        };
        assert!(differences.contains(field), "{field}: {differences}");
        if field != "deny_delete" {
            context.update_stream(&good).await.unwrap();
            set_up(&connection, MAX_BYTES).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_server_that_keeps_its_word_passes() {
    let server = Server::start();
    let system = server.system().await;
    let report = check_server(&system, Fsync::Required).await.unwrap();
    assert!(report.sync_always);
    assert!(report.version.starts_with("2."), "{report:?}");
}

#[tokio::test]
async fn a_server_that_writes_late_is_refused_unless_the_user_accepts_it() {
    for late in ["", "sync_interval: 1s"] {
        let server = Server::start_with(late);
        let system = server.system().await;
        let error = check_server(&system, Fsync::Required).await.unwrap_err();
        assert!(matches!(error, SetupError::NoFsync { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("sync_interval: always") && text.contains("--unsafe-fsync"),
            "{text}"
        );
        let report = check_server(&system, Fsync::Unsafe).await.unwrap();
        assert!(!report.sync_always);
    }
}

#[tokio::test]
async fn an_old_server_is_refused_before_anything_is_asked_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let info = r#"INFO {"server_id":"old","version":"2.9.10","proto":1,"max_payload":1048576}"#;
        write!(stream, "{info}\r\nPONG\r\n").unwrap();
        stream
    });
    let connection = connect_with(ConnectOptions::new(), &url).await.unwrap();
    let check = check_server(&connection, Fsync::Unsafe);
    let error = within("a refusal", check).await.unwrap_err();
    assert!(matches!(error, SetupError::TooOld { .. }), "{error}");
    assert!(error.to_string().contains("2.9.10"), "{error}");
    drop(old.join());
}
