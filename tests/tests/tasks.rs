//! Tasks without a worker: given, found again, listed, taken back, removed; by command line, API and URL.

use std::time::Duration;

use eai_tests::{Answer, Api, Platform, Service, text};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// A service with a queue that nobody works on.
fn queue(platform: &Platform, name: &str) -> Service {
    let new = ["service", "new", name, "--queue", "--workers", "2"];
    platform.cli(new).ok();
    Service::named(platform, name)
}

fn submit(platform: &Platform, flags: &[&str]) -> String {
    let mut arguments = vec!["task", "submit", "q"];
    arguments.extend(flags);
    arguments.extend(["--field", "id"]);
    platform.run(&arguments, &[]).ok()
}

fn get(platform: &Platform, id: &str) -> Value {
    let row = platform.cli(["task", "get", id, "--format", "json"]).ok();
    serde_json::from_str(&row).expect("JSON")
}

fn listed(platform: &Platform, flags: &[&str]) -> Vec<String> {
    let mut arguments = vec!["task", "ls", "q", "--field", "id"];
    arguments.extend(flags);
    let out = platform.run(&arguments, &[]).ok();
    out.lines().map(str::to_owned).collect()
}

#[test]
fn a_task_is_what_the_contract_says() {
    let platform = Platform::start();
    queue(&platform, "q");
    let id = submit(
        &platform,
        &[
            r#"{"args":{"x":1.50,"_agi_service_y":1},"plan":[1],"color":"blue","task_id":"batch-7"}"#,
            "--name",
            "sums",
            "--priority",
            "5",
            "--retries",
            "2",
            "--worker",
            "q:1",
            "--timeout",
            "1.5",
        ],
    );
    let task = get(&platform, &id);
    let created = task["created_at"].as_f64().expect("a time");
    assert!(created > 1.7e9, "{task}");
    for (field, value) in [
        ("schema", json!("agi.service.task.v1")),
        ("id", json!(id)),
        ("task_id", json!("batch-7")),
        ("task_name", json!("sums")),
        ("worker", json!("q:1")),
        ("worker_idx", Value::Null),
        ("plan", json!([1])),
        ("metadata", json!([])),
        ("args", json!({"x": 1.50})),
        ("color", json!("blue")),
        ("status", json!("pending")),
        ("attempts", json!(0)),
        ("priority", json!(5)),
        ("retries", json!(2)),
        ("timeout", json!(1.5)),
    ] {
        assert_eq!(task[field], value, "{field}");
    }
    assert_eq!(listed(&platform, &[]), std::slice::from_ref(&id));
    let refused = platform.cli(["task", "result", &id]);
    assert!(
        refused.code == 1 && refused.err.contains("not-ended"),
        "{}",
        refused.err
    );
    assert_eq!(platform.cli(["task", "logs", &id]).ok(), "");
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() {
    let platform = Platform::start();
    queue(&platform, "q");
    Service::empty(&platform, "web");
    let file = platform.path("tasks.ndjson");
    std::fs::write(&file, "{}\n{\"retries\":-1}\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    let cases: [(&[&str], i32, &str); 9] = [
        (&["q", "-f", file], 1, "line 2: `retries`"),
        (&["q", "[]"], 2, "JSON object"),
        (&["q", "{"], 2, "not JSON"),
        (&["q", "{}", "--priority", "2000"], 1, "`priority`"),
        (&["q", "{}", "--delay", "-1"], 1, "`delay`"),
        (&["q", "{}", "--timeout", "0"], 1, "`timeout`"),
        (&["q", r#"{"args":7}"#], 1, "`args`"),
        (&["web", "{}"], 1, "not-a-queue"),
        (&["nobody", "{}"], 1, "not-found"),
    ];
    for (arguments, code, said) in cases {
        let mut all = vec!["task", "submit"];
        all.extend(arguments);
        let output = platform.run(&all, &[]);
        assert_eq!(output.code, code, "{arguments:?}: {}", output.err);
        assert!(output.err.contains(said), "{arguments:?}: {}", output.err);
    }
    assert_eq!(listed(&platform, &[]), [""; 0]);
}

#[test]
fn the_same_command_and_the_same_key_find_the_same_task() {
    let platform = Platform::start();
    queue(&platform, "q");
    let command = Uuid::new_v4().to_string();
    let first = submit(&platform, &["{}", "--command-id", &command]);
    assert_eq!(submit(&platform, &["{}", "--command-id", &command]), first);
    let keyed = submit(&platform, &[r#"{"args":{"a":1}}"#, "--key", "order-7"]);
    assert_eq!(
        submit(&platform, &[r#"{"args": {"a": 1}}"#, "--key", "order-7"]),
        keyed
    );
    let other = platform.cli(["task", "submit", "q", "{}", "--key", "order-7"]);
    assert!(
        other.code == 1 && other.err.contains("key-reused"),
        "{}",
        other.err
    );
    assert_eq!(listed(&platform, &[]), [keyed, first]);
}

#[tokio::test]
async fn many_at_once_are_all_there_also_after_the_platform_died() {
    let mut platform = Platform::start();
    let service = queue(&platform, "q");
    let path = format!("/v1/service/{}/task", service.id);
    let api = Api::of(&platform);
    let submits = (0..40).map(|index| {
        let (api, path) = (&api, &path);
        async move { api.create(path, &json!({"args": {"i": index}}), None).await }
    });
    let mut ids: Vec<_> = join_all(submits)
        .await
        .iter()
        .map(|answer| text(&answer.ok()["id"]))
        .collect();
    let file = platform.path("tasks.ndjson");
    let lines: Vec<_> = (0..500)
        .map(|index| format!("{{\"args\":{{\"line\":{index}}}}}\n"))
        .collect();
    let lines = lines.concat();
    std::fs::write(&file, lines).expect("a file");
    let arguments = ["-f", file.to_str().expect("UTF-8")];
    ids.extend(submit(&platform, &arguments).lines().map(str::to_owned));
    assert_eq!(ids.len(), 540);
    let before = listed(&platform, &[]);
    platform.kill();
    platform.up();
    assert_eq!(listed(&platform, &[]), before);
    let mut before = before;
    before.sort();
    ids.sort();
    assert_eq!(before, ids);
    let newest = listed(&platform, &["-n", "1"]);
    assert_eq!(get(&platform, &newest[0])["args"], json!({"line": 499}));
}

#[test]
fn large_contents_come_back_as_they_were() {
    let platform = Platform::start();
    queue(&platform, "q");
    let file = platform.path("task.json");
    let large = json!({"args": {"text": "x\u{e9}\"".repeat(100_000)}});
    std::fs::write(&file, large.to_string()).expect("a file");
    let id = submit(&platform, &["-f", file.to_str().expect("UTF-8")]);
    assert_eq!(get(&platform, &id)["args"], large["args"]);
}

#[test]
fn tasks_are_cancelled_tried_again_and_removed() {
    let platform = Platform::start();
    queue(&platform, "q");
    let ids: Vec<_> = (0..3).map(|_| submit(&platform, &["{}"])).collect();
    let cancelled = platform.cli(["task", "cancel", &ids[0], &ids[1], "--field", "status"]);
    assert_eq!(cancelled.ok(), "cancelled\ncancelled");
    let result = platform.cli(["task", "result", &ids[0]]);
    assert!(result.err.contains("task-cancelled"), "{}", result.err);
    let again = platform.cli(["task", "retry", &ids[1], "--field", "status"]);
    assert_eq!(again.ok(), "pending");
    assert_eq!(
        listed(&platform, &["--status", "cancelled"]),
        [ids[0].clone()]
    );
    let removed = platform
        .cli(["task", "purge", "q", "--field", "tasks"])
        .ok();
    assert_eq!(removed, "1");
    assert_eq!(listed(&platform, &[]), [ids[2].clone(), ids[1].clone()]);
    let gone = platform.cli(["task", "get", &ids[0]]);
    assert!(gone.err.contains("not-found"), "{}", gone.err);
    assert_eq!(
        platform
            .cli(["task", "dead", "ls", "q", "--field", "id"])
            .ok(),
        ""
    );
    let requeued = platform.cli(["task", "dead", "requeue", "q", "--all", "--field", "tasks"]);
    assert_eq!(requeued.ok(), "0");
    let alive = platform.cli(["task", "dead", "requeue", "q", &ids[1]]);
    assert!(alive.err.contains("not-dead"), "{}", alive.err);
}

#[test]
fn a_plan_is_split_into_a_task_for_each_worker() {
    let platform = Platform::start();
    queue(&platform, "q");
    let file = platform.path("plan.json");
    let plan = json!({"plan": [[["t"]], [["u"]]], "metadata": [[{"k": 1}], [{"k": 2}]], "args": {"foo": 1}});
    std::fs::write(&file, plan.to_string()).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let ids = submit(&platform, &["--split", file]);
    let tasks: Vec<_> = ids.lines().map(|id| get(&platform, id)).collect();
    assert_eq!(tasks.len(), 2);
    assert_eq!(tasks[0]["task_id"], tasks[1]["task_id"]);
    for (index, task) in tasks.iter().enumerate() {
        assert_eq!(task["worker"], format!("q:{index}"));
        for (field, chunk) in [
            ("plan", &plan["plan"][index]),
            ("metadata", &plan["metadata"][index]),
        ] {
            let expected = json!({
                "__agi_worker_chunk__": true, "chunk": chunk, "total_workers": 2, "worker_idx": index,
            });
            assert_eq!(task[field], expected);
        }
    }
    std::fs::write(file, "[1,2,3]").expect("a file");
    let refused = platform.cli(["task", "submit", "q", "--split", file]);
    assert!(
        refused.code == 1 && refused.err.contains("3 slots"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn a_post_to_the_url_is_a_task() {
    let platform = Platform::start();
    let service = queue(&platform, "q");
    let answer = service.post("/", r#"{"x":1}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let task = answer.ok();
    let place = answer.header("location").expect("a place").to_owned();
    let end = format!("/v1/task/{}", text(&task["id"]));
    assert!(
        place.starts_with("http://") && place.ends_with(&end),
        "{place}"
    );
    let path = format!("/v1/task/{}", text(&task["id"]));
    let stored = service.api().get(&path).await.ok();
    assert_eq!(stored["args"], json!({"x": 1}));

    // Who prefers to wait gets the same once the time is over.
    let request = service
        .request(Method::POST, "/")
        .header("prefer", "wait=1")
        .body("{}");
    let waited = Answer::of(request).await;
    assert_eq!(waited.status, 202);
    let whole = json!({"schema": "agi.service.task.v1", "task_name": "n", "args": {"y": 2}});
    let whole = service.post("/any/path", whole.to_string()).await.ok();
    assert_eq!(whole["task_name"], "n");

    assert_eq!(service.get("/").await.status, 405);
    assert_eq!(
        service.post("/", "[1]").await.refused(),
        (400, "bad-task".into())
    );
    // Its workers may have ports of their own, at which nobody takes tasks.
    let port = service.host.replacen('.', "-8080.", 1);
    let request = service.api().request(Method::POST, "/");
    let request = request.header("host", port).body("{}");
    assert_eq!(
        Answer::of(request).await.refused(),
        (409, "takes-tasks".into())
    );
    let stranger = service.api().with_token("x").request(Method::POST, "/");
    let stranger = stranger.header("host", &service.host).body("{}");
    assert_eq!(Answer::of(stranger).await.status, 401);
    assert_eq!(listed(&platform, &[]).len(), 3);
}

#[tokio::test]
async fn a_wait_ends_when_the_task_does() {
    let platform = Platform::start();
    queue(&platform, "q");
    let id = submit(&platform, &["{}"]);
    let api = Api::of(&platform);
    let path = format!("/v1/task/{id}?wait=60");
    let (waited, cancelled) = tokio::join!(api.get(&path), async {
        // The wait begins first, or it finds the task ended already: both end it.
        tokio::time::timeout(
            Duration::from_secs(30),
            api.post(&format!("/v1/task/{id}/cancel"), None),
        )
        .await
    });
    assert_eq!(cancelled.expect("an answer").status, 200);
    assert_eq!(waited.ok()["status"], "cancelled");
    let output = platform
        .cli([
            "task", "submit", "q", "{}", "--delay", "3600", "--field", "id",
        ])
        .ok();
    assert_eq!(listed(&platform, &["--status", "pending"]), [output]);
}
