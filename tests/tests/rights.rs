//! Rights that are given and taken.

use eai_tests::holders::{key_of, user};
use eai_tests::{Answer, Api, Backend, Platform, Service, text};
use reqwest::Method;
use serde_json::json;

/// The name of a command, which may be given twice.
const ONCE: &str = "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";

#[tokio::test]
async fn what_is_taken_is_gone_at_once_and_for_good() {
    let mut platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let web = Service::web(&platform, "web", &[]);
    web.get("/").await;
    let on_url = async |token: &str| {
        let request = api.with_token(token).request(Method::GET, "/");
        Answer::of(request.header("host", &web.host)).await.status
    };
    let key = key_of(&platform, "callers", "service:get@snow.testacc.web");
    let ann = user(&platform, &api, "ann", "service:get@snow.testacc.*").await;
    let job = web.get("/who").await.ok();
    let job = text(&job["environment"]["EAI_TOKEN"]);
    // A job has what its service's role has, and that is not its own URL.
    assert_eq!(
        (on_url(&key).await, on_url(&ann).await, on_url(&job).await),
        (200, 200, 403)
    );
    platform
        .cli([
            "service",
            "role",
            "policy",
            "add",
            "web",
            "service:get@snow.testacc.web",
        ])
        .ok();
    assert_eq!(on_url(&job).await, 200);
    platform
        .cli([
            "service",
            "role",
            "policy",
            "rm",
            "web",
            "service:get@snow.testacc.web",
        ])
        .ok();
    assert_eq!(on_url(&job).await, 403);
    platform
        .cli([
            "role",
            "policy",
            "rm",
            "callers",
            "service:get@snow.testacc.web",
        ])
        .ok();
    assert_eq!(on_url(&key).await, 403);
    platform
        .cli([
            "role",
            "policy",
            "add",
            "callers",
            "service:get@snow.testacc.web",
        ])
        .ok();
    assert_eq!(on_url(&key).await, 200);
    platform
        .cli(["role", "member", "rm", "ann_is", "--user", "ann"])
        .ok();
    assert_eq!(on_url(&ann).await, 403);
    platform
        .cli(["role", "member", "add", "ann_is", "--user", "ann"])
        .ok();
    assert_eq!(on_url(&ann).await, 200);
    platform.cli(["user", "revoke", "ann"]).ok();
    assert_eq!(on_url(&ann).await, 401);
    let refused = api.with_token(&ann).get("/v1/me").await.refused();
    assert_eq!(refused, (401, "token-revoked".into()));
    // A new start remembers all of it.
    platform.stop();
    platform.up();
    let api = Api::of(&platform);
    let on_api = async |token: &str| api.with_token(token).get("/v1/service").await.status;
    assert_eq!((on_api(&key).await, on_api(&ann).await), (200, 401));
    let list = ["role", "key", "ls", "callers", "--field", "id"];
    let id = platform.cli(list).ok();
    platform.cli(["role", "key", "revoke", "callers", &id]).ok();
    assert_eq!(on_api(&key).await, 401);
    platform.stop();
    platform.up();
    let api = Api::of(&platform);
    let again = api.with_token(&key).get("/v1/service").await.refused();
    assert_eq!(again, (401, "unauthenticated".into()));
    // Nothing that was ever secret is in the log of the platform.
    let log = platform.log();
    assert!(!log.contains(&key) && !log.contains(&ann));
}

#[tokio::test]
async fn who_decides_what_runs_reads_what_it_gets() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    Service::web(&platform, "web", &[]);
    platform.cli(["data", "new", "secret"]).ok();
    let folder = platform.path("secret");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("it"), "x").unwrap();
    platform
        .cli(["data", "push", "secret", folder.to_str().unwrap()])
        .ok();
    let policies = "service:*@snow.testacc.web,data:*@snow.testacc.web_runtime";
    let key = key_of(&platform, "builders", policies);
    let builder = api.with_token(&key);
    let mounts = json!({ "data": ["secret:/data"] });
    let update = async || {
        let request = builder.request(Method::PATCH, "/v1/service/web");
        Answer::of(request.json(&mounts)).await
    };
    let before = api.get("/v1/service/web").await.ok();
    let refused = update().await;
    assert_eq!(refused.refused(), (403, "forbidden".into()));
    let needed = "data:read@snow.testacc.secret";
    assert!(refused.text().contains(needed), "{}", refused.text());
    assert_eq!(api.get("/v1/service/web").await.ok(), before);
    platform
        .cli(["role", "policy", "add", "builders", needed])
        .ok();
    update().await.ok();
    // Nor does other code of its own get there, once that is taken again.
    platform
        .cli(["role", "policy", "rm", "builders", needed])
        .ok();
    let change = json!({ "remove": ["web.py"] });
    let pushed = builder.create("/v1/data/web_runtime/version", &change, None);
    assert_eq!(pushed.await.refused(), (403, "forbidden".into()));
}

#[tokio::test]
async fn nobody_gives_what_it_does_not_have() {
    let platform = Platform::on(Backend::Process);
    let api = Api::of(&platform);
    let policies = "role:*@snow.testacc.*,policy:*@snow.testacc.*,user:*@snow.testacc.*,service:get@snow.testacc.w*";
    let ann = api.with_token(&user(&platform, &api, "ann", policies).await);
    let policy = |text: &str| json!({ "policy": text });
    let mine = "/v1/role/ann_is/policy";
    for (given, status) in [
        ("service:get@snow.testacc.web", 200),
        ("service:set@snow.testacc.web", 403),
        ("service:get@snow.testacc.*", 403),
        ("*:*@*", 403),
    ] {
        let answer = ann.create(mine, &policy(given), None).await;
        assert_eq!(answer.status, status, "{given}: {}", answer.text());
    }
    // Nor through a new role, a key or membership of a larger one, or a token of somebody larger.
    let role = json!({ "name": "mine", "policies": ["job:get@snow.testacc.*"] });
    let answers = [
        ann.create("/v1/role", &role, None).await,
        ann.post("/v1/role/admin/key", None).await,
        ann.create("/v1/role/admin/member", &json!({ "user": "ann" }), None)
            .await,
        ann.post("/v1/user/admin/token", None).await,
    ];
    for answer in answers {
        assert_eq!(answer.refused(), (403, "forbidden".into()));
    }
    // The same command makes the same key, and no second one.
    let first = api.post("/v1/role/ann_is/key", Some(ONCE)).await.ok();
    let again = api.post("/v1/role/ann_is/key", Some(ONCE)).await.ok();
    assert_eq!(first, again);
    let keys = api.get("/v1/role/ann_is/key").await.ok();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    assert!(!keys.to_string().contains(&text(&first["key"])));
}

#[tokio::test]
async fn a_user_logs_in_with_the_token_that_it_was_given() {
    let platform = Platform::start();
    let refresh = platform
        .cli(["user", "new", "ann", "--field", "refreshToken"])
        .ok();
    let mut save = platform.command(&["login", "save", "ann"]);
    let mut child = save.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), refresh.as_bytes()).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let name = ["--profile", "ann", "user", "get", "--field", "name"];
    assert_eq!(platform.cli(name).ok(), "ann");
    // It has no role yet.
    assert_eq!(
        platform
            .cli([
                "--profile",
                "ann",
                "user",
                "policy",
                "ls",
                "--field",
                "policy"
            ])
            .ok(),
        ""
    );
    let refused = platform.cli(["--profile", "ann", "service", "new", "x"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    let needs = "it needs `service:new@snow.testacc.x`";
    assert!(refused.err.contains(needs), "{}", refused.err);
    let csv = platform
        .cli(["user", "ls", "--fields", "name,account", "--format", "csv"])
        .ok();
    assert_eq!(csv, "name,account\nadmin,snow.testacc\nann,snow.testacc");
}
