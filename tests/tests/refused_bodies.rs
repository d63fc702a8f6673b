//! Bodies and parameters that are refused: the exact status, code and message, and that nothing is appended by it.

use eai_tests::{Platform, Raw, bearer, check_refused, get, post, refused};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn bad_bodies_and_parameters() {
    let platform = Platform::start();
    let mut rows = Vec::new();
    let expected = "the body is not what is expected";
    for (body, reason) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("name", "expected ident at line 1 column 2"),
        ("{}", "missing field `name` at line 1 column 2"),
        (r#"["web"]"#, "send a JSON object"),
        (r#" ["web",null,null,null]"#, "send a JSON object"),
        (
            r#"{"name":5}"#,
            "invalid type: integer `5`, expected a string at line 1 column 9",
        ),
        (
            r#"{"name":null}"#,
            "invalid type: null, expected a string at line 1 column 12",
        ),
        (
            r#"{"name":["web"]}"#,
            "invalid type: sequence, expected a string at line 1 column 8",
        ),
        (
            r#"{"name":"web"} x"#,
            "trailing characters at line 1 column 16",
        ),
        (
            r#"{"name":"a","name":"b"}"#,
            "duplicate field `name` at line 1 column 18",
        ),
    ] {
        for noun in ["service", "data"] {
            let request = post(&format!("/v1/{noun}"), body);
            rows.push(refused(
                request,
                400,
                "bad-json",
                format!("{expected}: {reason}"),
            ));
        }
    }
    for (noun, fields) in [
        (
            "service",
            "expected one of `name`, `account`, `runtime`, `role`, `public`, `queue`, \
             `idleTimeoutMs`, `minReady`, `replicas`, `concurrency`",
        ),
        ("data", "expected `name` or `account`"),
    ] {
        let request = post(&format!("/v1/{noun}"), r#"{"name":"web","status":"on"}"#);
        let message = format!("{expected}: unknown field `status`, {fields} at line 1 column 22");
        rows.push(refused(request, 400, "bad-json", message));
    }
    let bytes = post("/v1/data", b"{\"name\":\"\xff\"}".to_vec());
    let message = format!("{expected}: invalid unicode code point at line 1 column 10");
    rows.push(refused(bytes, 400, "bad-json", message));
    let deep = post("/v1/data", format!("{{\"x\":{}", "[".repeat(60_000)));
    let message =
        format!("{expected}: unknown field `x`, expected `name` or `account` at line 1 column 4");
    rows.push(refused(deep, 400, "bad-json", message));

    let large = "the body is larger than 65536 bytes: send less";
    let body = |size: usize| format!("{}{}", r#"{"name":"web"}"#, " ".repeat(size - 14));
    for size in [64 * 1024 + 1, 4 << 20] {
        rows.push(refused(
            post("/v1/data", body(size)),
            413,
            "body-too-large",
            large,
        ));
        let request = Raw::new("POST", "/v1/service").chunked(body(size));
        rows.push(refused(request, 413, "body-too-large", large));
    }

    let key =
        "the Idempotency-Key header must be a UUID, such as 6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";
    for value in [
        "",
        "1",
        "6c5bf9ec71f74d13b5ec24b37f0f8e9e",
        "{6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e}",
        "é",
    ] {
        let request = post("/v1/data", r#"{"name":"web"}"#).header("idempotency-key", value);
        rows.push(refused(request, 400, "bad-request", key));
    }

    let query = "the query cannot be read: Failed to deserialize query string";
    let number = "invalid digit found in string";
    for (path, message) in [
        (
            "service?limit=0",
            "`limit` must be from 1 to 1000".to_owned(),
        ),
        (
            "role?limit=1001",
            "`limit` must be from 1 to 1000".to_owned(),
        ),
        ("event?limit=0", "`limit` must be from 1 to 1000".to_owned()),
        ("event?tail=0", "`tail` must be from 1 to 1000".to_owned()),
        (
            "event?tail=1001",
            "`tail` must be from 1 to 1000".to_owned(),
        ),
        ("data?limit=x", format!("{query}: limit: {number}")),
        ("data?limit=-1", format!("{query}: limit: {number}")),
        ("event?tail=-1", format!("{query}: tail: {number}")),
        (
            "data?limit=1&limit=2",
            format!("{query}: duplicate field `limit`"),
        ),
        (
            "account?x=1",
            format!(
                "{query}: x: unknown field `x`, expected one of `account`, `limit`, `after`, `at`"
            ),
        ),
        (
            "event?follow=maybe",
            format!("{query}: follow: provided string was not `true` or `false`"),
        ),
        (
            "service?after=x",
            "`after` must be the `next` of an earlier answer".to_owned(),
        ),
        (
            "event?after=x",
            "`after` must be a sequence or a time such as 2025-08-05T18:52:53Z".to_owned(),
        ),
        (
            "event?since=yesterday",
            "`since` must be a sequence or a time such as 2025-08-05T18:52:53Z".to_owned(),
        ),
        (
            "event?until=-1",
            "`until` must be a sequence or a time such as 2025-08-05T18:52:53Z".to_owned(),
        ),
    ] {
        rows.push(refused(
            get(&format!("/v1/{path}")),
            400,
            "bad-request",
            message,
        ));
    }
    for parameter in [
        "type=*",
        "type=%3E",
        "type=service.*",
        "type=",
        "type=a%20b",
        "id=*",
        "id=a.b",
        "id=",
    ] {
        let message = "`type` must read service, service.created or eai.service.created.v1, \
                       `kind` service, and `id` be an aggregate's id or an event's";
        let request = get(&format!("/v1/event?{parameter}"));
        rows.push(refused(request, 400, "bad-request", message));
    }
    check_refused(&platform, rows, Some(&bearer(&platform))).await;
}
