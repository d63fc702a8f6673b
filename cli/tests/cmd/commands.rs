//! What each noun and verb asks of the platform.

use serde_json::json;

use crate::support::{Eai, Platform, Reply, error, page, service};

const ME: &str = r#"{"id":"u","name":"toolkit","account":"snow.testacc","organization":"snow","urn":"snow:user:u"}"#;

#[test]
fn a_new_service_is_one_post_and_one_row() {
    let platform = Platform::start(|_| Reply::json(201, &service("hello")));
    let eai = Eai::with_token(&platform);
    let id = eai
        .run("service new hello --runtime rt --account snow.other --field id")
        .ok();
    assert_eq!(id, "6f0c1c1e-3f5e-5d5a-9d0f-0e7c5f3d2a11\n");

    let request = &platform.requests()[0];
    assert_eq!(request.line(), "POST /v1/service");
    assert_eq!(request.header("authorization"), Some("Bearer token"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let expected = json!({"name": "hello", "account": "snow.other", "runtime": "snow.other.rt"});
    assert_eq!(request.json(), expected);
}

#[test]
fn without_an_account_the_platform_knows_it() {
    let platform = Platform::start(|_| Reply::json(201, &service("hello")));
    Eai::with_token(&platform).run("service new hello").ok();
    assert_eq!(platform.requests()[0].json(), json!({"name": "hello"}));
}

#[test]
fn lists_ask_for_a_place_and_read_every_page() {
    let platform = Platform::start(|request| {
        if request.query.contains_key("after") {
            Reply::json(200, &page(&[service("b")]))
        } else {
            Reply::json(200, &json!({"items": [service("a")], "next": "cursor"}))
        }
    });
    let eai = Eai::with_token(&platform);
    assert_eq!(eai.run("service ls snow --field name").ok(), "a\nb\n");
    let requests = platform.requests();
    assert_eq!(requests[0].query["account"], "snow");
    assert_eq!(requests[1].query["account"], "snow");
    assert_eq!(requests[1].query["after"], "cursor");
}

#[test]
fn actions_go_to_each_ref_with_a_key_of_its_own() {
    let platform = Platform::start(|_| Reply::json(200, &service("x")));
    let eai = Eai::with_profile(&platform).env("EAI_TOKEN", "token");
    eai.run("service stop one snow.testacc.two --account snow.testacc")
        .ok();
    let requests = platform.requests();
    assert_eq!(
        platform.lines(),
        [
            "POST /v1/service/snow.testacc.one/stop",
            "POST /v1/service/snow.testacc.two/stop",
        ]
    );
    assert_ne!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
}

#[test]
fn one_refused_ref_does_not_keep_the_others_from_being_done() {
    let platform = Platform::start(|request| match request.path.as_str() {
        "/v1/service/gone" => error(404, "not-found", "service `gone` not found"),
        _ => Reply::json(200, &service("x")),
    });
    let finished = Eai::with_token(&platform).run("service get gone x --field name");
    assert_eq!(finished.code, Some(1));
    assert_eq!(finished.stdout, "x\n");
    assert_eq!(
        finished.stderr,
        "error: service `gone` not found (http: 404, not-found)\n"
    );
}

#[test]
fn mine_is_the_default_of_account_user_and_organization() {
    let platform = Platform::start(|request| match request.path.as_str() {
        "/v1/me" => Reply::text(200, ME),
        "/v1/account/snow.testacc" => Reply::text(200, r#"{"id":"a","name":"testacc"}"#),
        "/v1/organization/snow" => Reply::text(200, r#"{"id":"o","name":"snow"}"#),
        _ => error(404, "not-found", "not found"),
    });
    let eai = Eai::with_token(&platform);
    assert_eq!(eai.run("user get --field name").ok(), "toolkit\n");
    assert_eq!(eai.run("account get --field name").ok(), "testacc\n");
    assert_eq!(eai.run("organization get --field name").ok(), "snow\n");
    assert_eq!(eai.run("user get toolkit --field id").ok(), "u\n");
    assert!(
        eai.run("user get someone")
            .failed(1)
            .contains("(http: 404, not-found)")
    );
}

#[test]
fn data_and_roles_have_their_paths() {
    let row = json!({"id": "d", "name": "x", "policies": ["service:*@a", "data:get@b"]});
    let platform = Platform::start(move |request| match request.line().as_str() {
        "GET /v1/data" | "GET /v1/role" | "GET /v1/account" => {
            Reply::json(200, &page(std::slice::from_ref(&row)))
        }
        _ => Reply::json(200, &row),
    });
    let eai = Eai::with_token(&platform);
    assert_eq!(eai.run("data new x --field id").ok(), "d\n");
    assert_eq!(eai.run("data ls --field id").ok(), "d\n");
    assert_eq!(eai.run("data get x --field id").ok(), "d\n");
    assert_eq!(
        eai.run("role ls --field policies").ok(),
        "service:*@a,data:get@b\n"
    );
    assert_eq!(eai.run("role get x --field id").ok(), "d\n");
    assert_eq!(eai.run("account ls snow --field id").ok(), "d\n");
    let lines = platform.lines();
    assert_eq!(lines[0], "POST /v1/data");
    assert_eq!(lines[2], "GET /v1/data/x");
    assert_eq!(platform.requests()[5].query["account"], "snow");
}

#[test]
fn server_info_is_a_listing_of_names_and_values() {
    let info = r#"{"version":"0.1.0","url":"http://localhost:8080","backendReason":null,"lastSequence":7}"#;
    let platform = Platform::start(move |_| Reply::text(200, info));
    let eai = Eai::with_token(&platform);
    let text = eai.run("server info").ok();
    let expected = "name           value\n\
                    version        0.1.0\n\
                    url            http://localhost:8080\n\
                    backendReason\n\
                    lastSequence   7\n";
    assert_eq!(text, expected);
    assert_eq!(eai.run("server info --field lastSequence").ok(), "7\n");
    assert_eq!(platform.lines()[0], "GET /v1/server");
}

#[test]
fn server_rebuild_asks_the_running_platform() {
    let platform = Platform::start(|_| Reply::text(200, r#"{"events":12,"sequence":14}"#));
    let text = Eai::with_token(&platform).run("server rebuild").ok();
    assert_eq!(text, "events  sequence\n12      14\n");
    assert_eq!(platform.lines(), ["POST /v1/server/rebuild"]);
}

#[test]
fn version_tells_the_platforms_too_if_there_is_one() {
    let platform = Platform::start(|_| Reply::text(200, r#"{"version":"9.9.9"}"#));
    let eai = Eai::with_token(&platform);
    let own = concat!("eai ", env!("CARGO_PKG_VERSION"), "\n");
    let both = format!("{own}platform 9.9.9 at {}\n", platform.url());
    assert_eq!(eai.run("version").ok(), both);
    assert_eq!(eai.run("--version").ok(), own);
    assert_eq!(platform.requests().len(), 1);
    assert_eq!(platform.requests()[0].header("authorization"), None);
    assert_eq!(
        Eai::alone()
            .env("EAI_URL", "http://127.0.0.1:1")
            .run("version")
            .ok(),
        own
    );
}
