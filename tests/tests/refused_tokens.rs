//! Tokens that are refused: the exact status, code and message, and that nothing is appended by it.

use eai_core::jws::{self, Algorithm};
use eai_tests::{Api, Platform, Raw, check_refused, get, post, refused, text};
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

const ID: &str = "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn who_is_not_let_in() {
    let (platform, other) = (Platform::start(), Platform::start());
    let api = Api::of(&platform);
    let config = std::fs::read_to_string(platform.config().join("config")).unwrap();
    let refresh = config
        .lines()
        .find_map(|line| line.strip_prefix("refresh-token = "))
        .map(|token| token.trim_matches('"').to_owned())
        .unwrap();
    let claims = |token: &str| {
        let part = token.split('.').nth(1).unwrap();
        let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes());
        serde_json::from_slice::<Value>(&bytes.unwrap()).unwrap()
    };
    let valid = claims(&platform.token());
    let key = platform.seed("signing");
    let signed_by = |key: &KeyPair, change: &[(&str, Value)]| {
        let mut claims = valid.clone();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        jws::sign(Algorithm::EdDsa, &claims, key).unwrap()
    };
    let signed = |change: &[(&str, Value)]| signed_by(&key, change);
    // What the test signs itself is as good as the platform's own.
    let own = api.with_token(&signed(&[])).get("/v1/me").await.ok();
    assert_eq!(own["name"], "admin");

    let invalid = "the token is not valid here: run `eai login token` for a fresh one";
    let expired = "the token has expired: run `eai login token` for a fresh one";
    let kind = "the token is of the wrong kind: an access token calls the API, a refresh token only \
                POST /v1/token";
    let scheme = "the Authorization header must read `Bearer TOKEN`";
    let missing = "a token is missing: send `Authorization: Bearer TOKEN`, as `eai login token -H` \
                   prints it";
    let token = platform.token();
    let parts: Vec<_> = token.split('.').collect();
    let more_rights = signed_by(&other.seed("signing"), &[("account", json!("snow.other"))]);
    let tampered_claims = format!(
        "{}.{}.{}",
        parts[0],
        more_rights.split('.').nth(1).unwrap(),
        parts[2]
    );
    let flipped = if parts[2].starts_with('A') { "B" } else { "A" };
    let tampered_signature = format!(
        "{}.{}.{flipped}{}",
        parts[0],
        parts[1],
        &parts[2].get(1..).unwrap()
    );
    let none = data_encoding::BASE64URL_NOPAD.encode(br#"{"typ":"JWT","alg":"none"}"#);
    let stranger = KeyPair::new(KeyPairType::Server);
    let cases = [
        (String::new(), "unauthenticated", scheme),
        ("Bearer".into(), "unauthenticated", invalid),
        ("Bearer ".into(), "unauthenticated", invalid),
        (format!("Basic {token}"), "unauthenticated", scheme),
        (token.clone(), "unauthenticated", scheme),
        ("Bearer x".into(), "unauthenticated", invalid),
        ("Bearer a.b.c".into(), "unauthenticated", invalid),
        (format!("Bearer {token}x"), "unauthenticated", invalid),
        (format!("Bearer {token}.x"), "unauthenticated", invalid),
        (
            format!("Bearer {token} {token}"),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {}", "x".repeat(5000)),
            "unauthenticated",
            invalid,
        ),
        ("Bearer \u{e9}".into(), "unauthenticated", invalid),
        (
            format!("Bearer {tampered_claims}"),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {tampered_signature}"),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {none}.{}.", parts[1]),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {none}.{}.{}", parts[1], parts[2]),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {}", signed_by(&stranger, &[])),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {}", other.token()),
            "unauthenticated",
            invalid,
        ),
        // The same key on another platform would still be another platform.
        (
            format!("Bearer {}", signed(&[("iss", json!(ID))])),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {}", signed(&[("account", json!("Bad"))])),
            "unauthenticated",
            invalid,
        ),
        (
            format!("Bearer {}", signed(&[("exp", json!(1_000_000_000))])),
            "token-expired",
            expired,
        ),
        (
            format!("Bearer {}", signed(&[("exp", json!(-1))])),
            "token-expired",
            expired,
        ),
        (format!("Bearer {refresh}"), "unauthenticated", kind),
    ];
    let asks = || {
        [
            get("/v1/me"),
            get("/v1/server"),
            get("/v1/event?follow=true"),
            get("/v1/service/web"),
            post("/v1/service", r#"{"name":"web"}"#),
            Raw::new("POST", "/v1/service/web/start"),
            Raw::new("POST", "/v1/server/rebuild"),
        ]
    };
    let mut rows: Vec<_> = asks()
        .map(|ask| refused(ask, 401, "unauthenticated", missing))
        .into();
    rows.push(refused(
        Raw::new("POST", "/v1/token"),
        401,
        "unauthenticated",
        missing,
    ));
    for (header, code, message) in &cases {
        for ask in asks() {
            rows.push(refused(
                ask.header("authorization", header),
                401,
                code,
                *message,
            ));
        }
    }
    let access = format!("Bearer {token}");
    let fresh = |header: &str| Raw::new("POST", "/v1/token").header("authorization", header);
    rows.push(refused(fresh(&access), 401, "unauthenticated", kind));
    rows.push(refused(fresh("Bearer x"), 401, "unauthenticated", invalid));
    let old = signed(&[("kind", json!("refresh")), ("exp", json!(1))]);
    rows.push(refused(
        fresh(&format!("Bearer {old}")),
        401,
        "token-expired",
        expired,
    ));
    check_refused(&platform, rows, None).await;

    // A user of an account that is not there sees nothing of this one.
    let outsider = api.with_token(&signed(&[("account", json!("snow.other"))]));
    let list = outsider.get("/v1/service").await.ok();
    assert_eq!(list["items"], json!([]));
    let events = outsider.get("/v1/event").await.ok();
    assert_eq!(events["items"], json!([]));
    assert_eq!(
        outsider.get("/v1/event/1").await.refused(),
        (404, "not-found".into())
    );
    let id = text(&api.get("/v1/role/admin").await.ok()["id"]);
    let role = outsider.get(&format!("/v1/role/{id}")).await;
    assert_eq!(role.refused(), (404, "not-found".into()));
}
