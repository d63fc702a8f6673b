//! What one invocation leaves to the next: tokens, positions, profiles.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Eai, Platform, Reply, Request, error, page, service};

const LATE: &str = "2999-01-01T00:00:00Z";

fn token(name: &str, expires_on: &str) -> Value {
    json!({"token": name, "expiresOn": expires_on})
}

/// Answers tokens, and refuses all but `good`.
fn guarded(good: &'static str) -> Platform {
    Platform::start(move |request| match request.line().as_str() {
        "POST /v1/token" => Reply::json(200, &token("fresh", LATE)),
        _ if bearer(request) == Some(good) => Reply::json(200, &page(&[service("a")])),
        _ => error(401, "token-expired", "the token has expired"),
    })
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization")?.strip_prefix("Bearer ")
}

#[test]
fn a_refresh_token_gets_an_access_token_which_is_kept() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    eai.run("service ls").ok();
    eai.run("service ls").ok();
    assert_eq!(
        platform.lines(),
        ["POST /v1/token", "GET /v1/service", "GET /v1/service"]
    );
    assert_eq!(bearer(&platform.requests()[0]), Some("refresh"));
    let kept: Value = serde_json::from_str(&eai.cached("default.token").unwrap()).unwrap();
    assert_eq!(kept, token("fresh", LATE));
    let path = eai.config_dir().join("cache/default.token");
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn an_expired_token_is_renewed_once_and_the_call_repeated() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    eai.cache("default.token", &token("old", LATE).to_string());
    assert_eq!(eai.run("service ls --field name").ok(), "a\n");
    let bearers: Vec<String> = platform
        .requests()
        .iter()
        .filter_map(bearer)
        .map(str::to_owned)
        .collect();
    assert_eq!(bearers, ["old", "refresh", "fresh"]);
}

#[test]
fn a_repeated_command_keeps_its_key() {
    let platform = Platform::start(|request| match request.line().as_str() {
        "POST /v1/token" => Reply::json(200, &token("fresh", LATE)),
        _ if bearer(request) == Some("fresh") => Reply::json(201, &service("a")),
        _ => error(401, "token-expired", "the token has expired"),
    });
    let eai = Eai::with_profile(&platform);
    eai.cache("default.token", &token("old", LATE).to_string());
    eai.run("service new a").ok();
    let requests = platform.requests();
    assert_eq!(
        requests[0].header("idempotency-key"),
        requests[2].header("idempotency-key")
    );
    assert_eq!(requests[1].header("idempotency-key"), None);
}

#[test]
fn a_renewed_token_that_is_refused_too_is_the_end() {
    let platform = guarded("none of them");
    let eai = Eai::with_profile(&platform);
    eai.cache("default.token", &token("old", LATE).to_string());
    let said = eai.run("service ls").failed(1);
    assert!(said.contains("(http: 401, token-expired)"), "{said}");
    assert_eq!(platform.requests().len(), 3);
}

#[test]
fn a_token_about_to_end_is_not_used() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    eai.cache(
        "default.token",
        &token("old", "2020-01-01T00:00:00Z").to_string(),
    );
    eai.run("service ls").ok();
    assert_eq!(platform.lines()[0], "POST /v1/token");
}

#[test]
fn a_token_of_the_environment_wins_and_is_not_renewed() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform).env("EAI_TOKEN", "mine");
    let said = eai.run("service ls").failed(1);
    assert!(said.contains("hint: `EAI_TOKEN` is set"), "{said}");
    assert_eq!(platform.requests().len(), 1);
    assert_eq!(bearer(&platform.requests()[0]), Some("mine"));
}

#[test]
fn login_token_is_bare_or_a_header_line() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    assert_eq!(eai.run("login token").ok(), "fresh\n");
    assert_eq!(
        eai.run("login token -H").ok(),
        "Authorization: Bearer fresh\n"
    );
    assert_eq!(platform.requests().len(), 1);
    let said = Eai::alone().run("login token").failed(1);
    assert!(
        said.contains("no credentials") && said.contains("hint: "),
        "{said}"
    );
}

#[test]
fn the_position_seen_is_sent_with_the_next_call() {
    let platform = Platform::start(|request| {
        let position = if request.method == "POST" {
            "platform:7"
        } else {
            "platform:5"
        };
        let body = if request.method == "POST" {
            service("a")
        } else {
            page(&[])
        };
        Reply::json(200, &body).with("x-eai-position", position)
    });
    let eai = Eai::with_token(&platform);
    eai.run("service new a").ok();
    eai.run("service ls").ok();
    // An older position, as another proxy may answer, is not kept.
    eai.run("service ls").ok();
    let positions: Vec<Option<String>> = platform
        .requests()
        .iter()
        .map(|request| request.header("x-eai-position").map(str::to_owned))
        .collect();
    let seen = Some("platform:7".to_owned());
    assert_eq!(positions, [None, seen.clone(), seen]);
    assert_eq!(
        eai.cached("default.position").as_deref(),
        Some("platform:7")
    );
}

#[test]
fn a_profile_is_chosen_by_flag_or_variable() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    let said = eai.run("service ls --profile other").failed(2);
    assert!(said.contains("profile `other` is not in"), "{said}");
    assert!(said.contains("hint: the profiles are default"), "{said}");
    assert_eq!(
        eai.run("--profile default service ls --field name").ok(),
        "a\n"
    );
    let eai = eai.env("EAI_PROFILE", "other");
    eai.run("service ls").failed(2);
    assert_eq!(
        eai.run("service ls --profile default --field name").ok(),
        "a\n"
    );
}

#[test]
fn the_account_of_the_profile_is_where_plain_names_are() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    eai.run("service ls").ok();
    assert_eq!(platform.requests()[1].query["account"], "snow.testacc");
    eai.run("service get x --field id");
    assert_eq!(platform.lines()[2], "GET /v1/service/snow.testacc.x");
    let eai = eai.env("EAI_ACCOUNT", "snow.env");
    eai.run("service ls").ok();
    assert_eq!(platform.requests()[3].query["account"], "snow.env");
    eai.run("service ls --account snow.flag").ok();
    assert_eq!(platform.requests()[4].query["account"], "snow.flag");
}

#[test]
fn a_config_that_cannot_be_read_is_told() {
    let platform = guarded("fresh");
    let eai = Eai::with_profile(&platform);
    std::fs::write(eai.config_dir().join("config"), "default = [").unwrap();
    assert!(
        eai.run("service ls")
            .failed(1)
            .contains("is not a config file")
    );
}
