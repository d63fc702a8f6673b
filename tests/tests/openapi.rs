//! The API against its own document: what it says may be sent is answered as it says.

use std::process::Command;

use eai_tests::{Api, Backend, Platform};
use serde_json::Value;

/// The script that makes requests up, few of them here; `tests/soak/api` has many.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lib/schemathesis");

#[test]
fn nothing_that_may_be_sent_is_answered_otherwise_than_the_document_says() {
    let platform = Platform::on(Backend::Process);
    let own = platform.command(&[]);
    let environment = own
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new(SCRIPT);
    command.arg(own.get_program()).args(["1", "3"]);
    command.env_clear().envs(environment);
    let tools = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| std::env::home_dir().unwrap().join(".cache"), Into::into);
    let output = command
        .env("EAI_TOOLS", tools.join("eai"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        platform.log()
    );
}

#[tokio::test]
async fn the_document_is_for_everybody_and_the_same_each_time() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let document = api.with_token("").get("/v1/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let create = &document["paths"]["/v1/service"]["post"];
    let body = &create["requestBody"]["content"]["application/json"];
    assert_eq!(body["schema"]["$ref"], "#/components/schemas/NewService");
    let made = api.create("/v1/service", &body["example"], None).await;
    assert_eq!(made.status, 201, "{}", made.text());
    // What it says is required is there.
    let service: Value = made.ok();
    let required = &document["components"]["schemas"]["Service"]["required"];
    for field in required.as_array().unwrap() {
        assert!(service.get(field.as_str().unwrap()).is_some(), "{field}");
    }
    assert_eq!(api.get("/v1/openapi.json").await.ok(), document);
}
