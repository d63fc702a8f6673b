//! Lists by pages: what belongs to one thing, and what no view holds.

use eai_tests::{Api, Backend, Platform, text};
use serde_json::{Value, json};

/// All rows of a list, one a page.
async fn one_by_one(api: &Api, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let page = api.get(&format!("{path}?limit=1{after}")).await.ok();
        let items = page["items"].as_array().expect("a list").clone();
        assert_eq!(items.len(), 1, "{path}: {page}");
        rows.extend(items);
        if page["next"].is_null() {
            return rows;
        }
        after = text(&page["next"]).replace(' ', "%20").replace('*', "%2A");
        after.insert_str(0, "&after=");
    }
}

#[tokio::test]
async fn keys_and_policies_are_listed_by_pages_as_they_are_whole() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let policies = ["job:get@snow.testacc.*", "service:get@snow.testacc.*"];
    let role = json!({ "name": "readers", "policies": policies });
    api.create("/v1/role", &role, None).await.ok();
    for _ in 0..3 {
        api.post("/v1/role/readers/key", None).await.ok();
    }
    let member = json!({ "user": "admin" });
    let added = api.create("/v1/role/readers/member", &member, None).await;
    added.ok();
    for (path, least) in [
        ("/v1/role/readers/key", 3),
        ("/v1/me/policy", 3),
        ("/v1/organization", 1),
        ("/v1/role", 2),
    ] {
        let whole = api.get(path).await.ok();
        assert!(whole["next"].is_null(), "{path}: {whole}");
        let rows = one_by_one(&api, path).await;
        assert_eq!(whole["items"], Value::from(rows.clone()), "{path}");
        assert!(rows.len() >= least, "{path}: {rows:?}");
    }
    // The command line reads on by itself.
    let keys = [
        "role",
        "key",
        "ls",
        "readers",
        "--field",
        "id",
        "--no-header",
    ];
    assert_eq!(platform.cli(keys).ok().lines().count(), 3);
    for wrong in ["limit=0", "limit=1001", "after=x", "all=true"] {
        let answer = api.get(&format!("/v1/role/readers/key?{wrong}")).await;
        assert_eq!(answer.refused(), (400, "bad-request".into()), "{wrong}");
    }
}
