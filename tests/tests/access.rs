//! Who may do what: every operation of the API for everybody who may come along.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_core::jws::{self, Algorithm};
use eai_tests::holders::{key_of, user};
use eai_tests::{Answer, Api, Backend, Platform, Service, text};
use reqwest::Method;
use serde_json::{Value, json};

/// An id of nothing.
const NOBODY: &str = "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";

/// One operation as the API's own document has it.
#[derive(Debug)]
struct Operation {
    method: Method,
    path: String,
    permission: String,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It is let in, whatever comes of it.
    In,
    /// It is a list, and there is nothing in it.
    Empty,
    /// It is refused, or what it asks for is as good as not there.
    Refused,
    /// It is not even looked at.
    Unknown,
}

async fn operations(api: &Api) -> Vec<Operation> {
    let document = api.get("/v1/openapi.json").await.ok();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(permission) = operation["x-eai-permission"].as_str() else {
                continue;
            };
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                permission: permission.to_owned(),
            });
        }
    }
    assert!(operations.len() > 60, "{}", operations.len());
    operations
}

/// What each operation is sent, so that it is refused for who asks and not for what.
fn body(path: &str) -> Option<Value> {
    Some(match path {
        "/v1/service" | "/v1/role" | "/v1/user" | "/v1/data" | "/v1/monitor" => {
            json!({ "name": "another" })
        }
        "/v1/service/{reference}" => json!({ "cpu": 1 }),
        "/v1/service/{reference}/scale" => json!({ "workers": 1 }),
        "/v1/service/{reference}/task" => json!({ "schema": "agi.service.task.v1", "args": {} }),
        "/v1/service/{reference}/dead/requeue" => json!({ "tasks": [] }),
        "/v1/service/{reference}/rollback" => json!({}),
        "/v1/data/{reference}/missing" => json!({ "digests": [] }),
        "/v1/data/{reference}/version" => json!({ "put": [], "remove": [] }),
        "/v1/data/{reference}/files" => json!({ "paths": [] }),
        "/v1/role/{reference}/policy" | "/v1/role/{reference}/policy/remove" => {
            json!({ "policy": "job:get@*" })
        }
        "/v1/role/{reference}/key/revoke" => json!({ "key": NOBODY }),
        "/v1/role/{reference}/member" | "/v1/role/{reference}/member/remove" => {
            json!({ "user": "ann" })
        }
        _ => return None,
    })
}

/// A platform with one of everything.
struct World {
    platform: Platform,
    api: Api,
    web: Service,
    job: String,
    task: String,
    executor: String,
}

impl World {
    async fn new() -> Self {
        let platform = Platform::on(Backend::Process);
        let api = Api::of(&platform);
        let web = Service::web(&platform, "web", &[]);
        assert_eq!(web.get("/").await.status, 200);
        let job = text(&web.only_job().await["id"]);
        platform.cli(["service", "new", "work", "--queue"]).ok();
        platform
            .cli(["monitor", "credentials", "new", "watcher"])
            .ok();
        let task = json!({ "schema": "agi.service.task.v1", "args": {} });
        let task = api.create("/v1/service/work/task", &task, None).await.ok();
        let executors = api.get("/v1/executor").await.ok();
        Self {
            task: text(&task["id"]),
            executor: text(&executors["items"][0]["id"]),
            platform,
            api,
            web,
            job,
        }
    }

    /// A path with what is there of its kind, or with nothing that is there.
    fn path(&self, path: &str, real: bool) -> String {
        let kind = path.split('/').nth(2).unwrap();
        let reference = match kind {
            _ if !real => NOBODY,
            "service" if path.contains("/task") || path.contains("/dead") => "work",
            "service" | "explanation" | "timeline" => "web",
            "task" => &self.task,
            "job" => &self.job,
            "data" => "web_runtime",
            "role" => "web_role",
            "user" => "admin",
            "monitor" => "watcher",
            "account" => "snow.testacc",
            "organization" => "snow",
            "executor" => &self.executor,
            "event" => "1",
            other => panic!("a test for `{other}` is missing"),
        };
        path.replace("{reference}", reference)
    }

    async fn ask(&self, api: &Api, operation: &Operation, real: bool) -> Answer {
        let path = if operation.path.contains('{') {
            self.path(&operation.path, real)
        } else {
            operation.path.clone()
        };
        let path = match path.as_str() {
            "/v1/image" if operation.method == Method::POST => "/v1/image?name=x".to_owned(),
            path if path.ends_with("/file") => format!("{path}?path=web.py"),
            path => path.to_owned(),
        };
        let mut request = api.request(operation.method.clone(), &path);
        if operation.method == Method::POST || operation.method == Method::PATCH {
            request = match body(&operation.path) {
                Some(body) => request.json(&body),
                None => request,
            };
        }
        Answer::of(request).await
    }

    async fn last(&self) -> u64 {
        let server = self.api.get("/v1/server").await.ok();
        server["lastSequence"].as_u64().unwrap()
    }
}

/// Whoever comes along, and which permissions it has on what is there.
struct Somebody {
    name: &'static str,
    api: Api,
    has: Box<dyn Fn(&Operation) -> bool>,
    known: bool,
}

fn somebody(name: &'static str, api: Api, has: impl Fn(&Operation) -> bool + 'static) -> Somebody {
    Somebody {
        name,
        api,
        has: Box::new(has),
        known: true,
    }
}

fn expected(who: &Somebody, operation: &Operation) -> Outcome {
    let path = operation.path.as_str();
    let open = ["/v1/me", "/v1/organization", "/v1/organization/{reference}"];
    if !who.known {
        Outcome::Unknown
    } else if open.contains(&path) || path == "/v1/me/policy" || (who.has)(operation) {
        Outcome::In
    } else if operation.method == Method::GET
        && !path.contains('{')
        && ![
            "/v1/server",
            "/v1/server/event",
            "/v1/server/usage",
            "/v1/image",
        ]
        .contains(&path)
    {
        Outcome::Empty
    } else {
        Outcome::Refused
    }
}

fn outcome(answer: &Answer) -> Outcome {
    let items = |answer: &Answer| answer.ok()["items"].as_array().map(Vec::len);
    match answer.status {
        401 => Outcome::Unknown,
        403 | 404 => Outcome::Refused,
        200 if answer.text().starts_with("{\"items\"") && items(answer) == Some(0) => {
            Outcome::Empty
        }
        _ => Outcome::In,
    }
}

fn signed(platform: &Platform, change: &[(&str, Value)]) -> String {
    let token = platform.token();
    let part = token.split('.').nth(1).unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes());
    let mut claims: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    jws::sign(Algorithm::EdDsa, &claims, &platform.seed("signing")).unwrap()
}

#[tokio::test]
async fn every_operation_is_closed_to_who_has_no_right_to_it() {
    let world = World::new().await;
    let (platform, api) = (&world.platform, &world.api);
    let reader = user(
        platform,
        api,
        "ann",
        "*:get@snow.testacc.*,data:read@snow.testacc.*",
    )
    .await;
    let of_web = key_of(platform, "of_web", "service:get@snow.testacc.web");
    let nothing = key_of(platform, "nothing", "job:get@snow.testacc.nowhere");
    let gone = user(platform, api, "gone", "*:*@snow.testacc.*").await;
    platform.cli(["user", "revoke", "gone"]).ok();
    let revoked = key_of(platform, "revoked", "*:*@snow.testacc.*");
    let id = platform
        .cli(["role", "key", "ls", "revoked", "--field", "id"])
        .ok();
    platform.cli(["role", "key", "revoke", "revoked", &id]).ok();
    let who = world.web.get("/who").await.ok();
    let job = text(&who["environment"]["EAI_TOKEN"]);
    let on_web = |operation: &Operation| {
        let path = operation.path.as_str();
        path == "/v1/service" || path.starts_with("/v1/service/{reference}")
    };
    let mut all = vec![
        somebody("reader", api.with_token(&reader), |operation| {
            let (kind, verb) = operation.permission.split_once(':').unwrap();
            verb == "get" || (kind, verb) == ("data", "read")
        }),
        somebody("of_web", api.with_token(&of_web), move |operation| {
            operation.permission == "service:get" && on_web(operation)
        }),
        somebody("nothing", api.with_token(&nothing), |_| false),
        somebody("job", api.with_token(&job), |operation| {
            operation.permission == "data:read"
        }),
    ];
    let other = signed(platform, &[("account", json!("snow.other"))]);
    let old = signed(platform, &[("exp", json!(1_000_000_000))]);
    for (name, token) in [
        ("expired", old.as_str()),
        ("revoked user", &gone),
        ("revoked key", &revoked),
        ("guess", "eai_key_0000"),
        ("none", ""),
    ] {
        all.push(Somebody {
            known: false,
            ..somebody(name, api.with_token(token), |_| false)
        });
    }
    all.push(somebody("other account", api.with_token(&other), |_| false));

    let operations = operations(api).await;
    let before = world.last().await;
    for operation in &operations {
        for who in &all {
            // What changes something is asked only of those who may not.
            let expected = expected(who, operation);
            let changes = operation.method != Method::GET;
            if expected == Outcome::In && changes {
                continue;
            }
            let answer = world.ask(&who.api, operation, true).await;
            let mut found = outcome(&answer);
            if who.name == "other account" && operation.path == "/v1/me" {
                // It has no user there, nor an organization of its own.
                found = Outcome::In;
            }
            let ours = found == expected || (expected, found) == (Outcome::In, Outcome::Empty);
            assert!(
                ours,
                "{}: {operation:?}: {found:?}, not {expected:?}: {} {}",
                who.name,
                answer.status,
                answer.text()
            );
            assert!(answer.status < 500, "{operation:?}: {}", answer.text());
        }
    }
    assert_eq!(world.last().await, before, "a refusal changed something");
    for operation in &operations {
        let answer = world.ask(api, operation, false).await;
        assert!(
            ![401, 403].contains(&answer.status),
            "{operation:?}: {}",
            answer.text()
        );
    }
}
