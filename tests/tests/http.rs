//! HTTP itself: requests with two meanings are refused, and many who follow the log cost nobody else anything.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use eai_tests::{Api, Platform, Raw, bearer, check_refused, refused, within};
use reqwest::Method;
use serde_json::{Value, json};

/// Sends a head as it is; the status and the body of the answer.
fn send(platform: &Platform, head: &[&str]) -> (u16, String) {
    let mut stream = TcpStream::connect(platform.address()).expect("a connection");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a timeout");
    let request = format!("{}\r\nconnection: close\r\n\r\n", head.join("\r\n"));
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    let body = answer.split_once("\r\n\r\n").expect("a head").1;
    (status.expect("a status"), body.to_owned())
}

#[test]
fn a_request_has_one_host() {
    let platform = Platform::start();
    let address = platform.address();
    let host = format!("host: {address}");
    let absolute = format!("GET http://{address}/v1/version HTTP/1.1");
    let named = "GET http://Platform.test/v1/version HTTP/1.1";
    let missing = "the `host` header is missing";
    let twice = "there is more than one `host` header: send one";
    let differs = "the request's target names another host than its `host` header";
    let refused: &[(&[&str], &str)] = &[
        (&["GET /v1/version HTTP/1.1"], missing),
        (&["GET /livez HTTP/1.1"], missing),
        (&["GET /nowhere HTTP/1.1"], missing),
        (&["DELETE /v1/service HTTP/1.1"], missing),
        (&["GET /v1/version HTTP/1.1", &host, &host], twice),
        (
            &["GET /v1/version HTTP/1.1", &host, "Host: other.test"],
            twice,
        ),
        (&["GET /v1/version HTTP/1.0", &host, &host], twice),
        (&[&absolute, "host: other.test"], differs),
        (&[&absolute, "host: "], differs),
        (&[named, "host: platform.test:80"], differs),
        (&[named, &host], differs),
        (&[&absolute], missing),
    ];
    for (head, message) in refused {
        let (status, body) = send(&platform, head);
        assert_eq!(status, 400, "{head:?}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let error = json!({"code": "bad-request", "status": 400, "message": message});
        assert_eq!(body, json!({ "error": error }), "{head:?}");
    }
    let honest: &[&[&str]] = &[
        &["GET /v1/version HTTP/1.1", &host],
        &["GET /v1/version HTTP/1.1", "HOST: anything.test"],
        &["GET /v1/version HTTP/1.0"],
        &["GET /v1/version HTTP/1.0", &host],
        &[&absolute, &host],
        &[named, "host: platform.TEST"],
        &["HEAD /v1/version HTTP/1.1", &host],
    ];
    for head in honest {
        assert_eq!(send(&platform, head).0, 200, "{head:?}");
    }
}

#[tokio::test]
async fn a_request_has_one_token_and_one_command_id() {
    let platform = Platform::start();
    let token = bearer(&platform);
    let create = || {
        Raw::new("POST", "/v1/service")
            .header("Content-Type", "application/json")
            .header("authorization", &token)
            .body(r#"{"name":"web"}"#)
    };
    let [one, other] = [
        "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e",
        "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9f",
    ];
    let twice = |name| format!("there is more than one `{name}` header: send one");
    let two_tokens = create().header("Authorization", &token);
    let other_token = create().header("authorization", "Bearer other");
    let key = |raw: Raw, key| raw.header("Idempotency-Key", key);
    let rows = vec![
        refused(two_tokens, 400, "bad-request", twice("authorization")),
        refused(other_token, 400, "bad-request", twice("authorization")),
        refused(
            key(key(create(), one), other),
            400,
            "bad-request",
            twice("idempotency-key"),
        ),
        refused(
            key(key(create(), one), one),
            400,
            "bad-request",
            twice("idempotency-key"),
        ),
    ];
    check_refused(&platform, rows, None).await;
    let made = key(create(), one).send(platform.address());
    assert_eq!(made.status, 201, "{}", made.body);
}

#[tokio::test]
async fn followers_that_do_not_read_cost_commands_nothing_and_have_a_bound() {
    let platform = Platform::start();
    let api = Api::of(&platform);
    let follow = || api.request(Method::GET, "/v1/event?follow=true").send();
    let mut followers = Vec::new();
    for _ in 0..256 {
        let follower = follow().await.expect("an answer");
        assert_eq!(follower.status(), 200);
        followers.push(follower);
    }
    let refused = api.get("/v1/event?follow=true").await;
    assert_eq!(refused.refused(), (503, "busy".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));

    // The rest of the platform does not notice.
    let body = json!({"name": "web"});
    assert_eq!(api.create("/v1/service", &body, None).await.status, 201);
    assert_eq!(api.get("/v1/event?tail=3").await.status, 200);

    // Each of them has everything once it reads.
    let last = api.get("/v1/server").await.ok()["lastSequence"].clone();
    let last = format!("{{\"sequence\":{last},");
    for follower in &mut followers {
        let mut text = String::new();
        while !text.contains(&last) {
            let chunk = within("a line", follower.chunk()).await;
            let chunk = chunk.expect("a chunk").expect("no end");
            text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
        assert!(text.starts_with("{\"sequence\":1,"), "{text}");
    }

    // A place is free again once a client is gone.
    followers.pop();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while follow().await.expect("an answer").status() != 200 {
        assert!(tokio::time::Instant::now() < deadline, "still busy");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
