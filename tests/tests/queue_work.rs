//! Workers of a queue at work: what tasks get, what they answer, and what becomes of them when something dies.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use eai_tests::{Api, Backend, Platform, Service, app, text, until_async};
use serde_json::{Value, json};

eai_tests::on_each_backend! {
    a_handler_answers_and_keeps_its_context,
    workers_notice_nothing_of_the_death_of_the_platform,
    a_task_whose_worker_dies_is_tried_again,
    an_agilab_worker_works_and_stops,
}

/// A service with a queue, started, whose workers are all ready.
async fn queue(platform: &Platform, workers: &str, flags: &[&str], file: &str) -> Service {
    let file = app(file);
    let mut new = vec!["service", "new", "q", "--queue", "--workers", workers];
    new.extend(flags);
    new.extend(["--upload", file.to_str().unwrap()]);
    platform.run(&new, &[]).ok();
    platform.cli(["service", "start", "q"]).ok();
    let service = Service::named(platform, "q");
    until_async("the workers to be ready", async || {
        let jobs = service.jobs().await;
        let ready = |job: &&Value| job["state"] == "RUNNING" && job["ready"] == true;
        let count = jobs.iter().filter(ready).count();
        (count.to_string() == workers).then_some(()).ok_or(jobs)
    })
    .await;
    service
}

const HANDLER: &[&str] = &["--handler", "handler.handle"];

fn submit(platform: &Platform, task: &Value, flags: &[&str]) -> String {
    let task = task.to_string();
    let mut arguments = vec!["task", "submit", "q", &task, "--field", "id"];
    arguments.extend(flags);
    platform.run(&arguments, &[]).ok()
}

/// The answer to a task that is waited for.
fn answer(platform: &Platform, task: &Value, flags: &[&str]) -> Value {
    let task = task.to_string();
    let mut arguments = vec!["task", "submit", "q", &task, "--wait"];
    arguments.extend(flags);
    serde_json::from_str(&platform.run(&arguments, &[]).ok()).unwrap()
}

async fn task(platform: &Platform, id: &str) -> Value {
    Api::of(platform).get(&format!("/v1/task/{id}")).await.ok()
}

async fn until_task(platform: &Platform, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until_async("the task to be as wanted", async || {
        let task = task(platform, id).await;
        if wanted(&task) { Ok(task) } else { Err(task) }
    })
    .await
}

async fn until_status(platform: &Platform, id: &str, status: &str) -> Value {
    until_task(platform, id, |task| task["status"] == status).await
}

/// The processes of a service's workers on this machine.
async fn workers(service: &Service) -> Vec<i32> {
    let jobs = service.jobs().await;
    let own: Vec<String> = jobs
        .iter()
        .map(|job| format!("EAI_JOB_ID={}", text(&job["id"])))
        .collect();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        let is_own = own.iter().any(|own| environment.contains(own));
        if is_own && line.starts_with(b"python3\0-m\0awslambdaric") {
            let pid = entry.file_name().to_str().map(str::parse::<i32>);
            found.extend(pid.and_then(Result::ok));
        }
    }
    found.sort_unstable();
    found
}

async fn a_handler_answers_and_keeps_its_context(backend: Backend) {
    let platform = Platform::on(backend);
    let _service = queue(&platform, "1", HANDLER, "handler.py").await;
    for count in 1..=3 {
        let task = json!({ "args": {}, "plan": ["a", 7] });
        let result = answer(&platform, &task, &["--timeout", "100"]);
        assert_eq!(result["count"], count, "its context is kept");
        for (field, value) in [
            ("worker", json!("q:0")),
            ("index", json!("0")),
            ("name", json!("q")),
            ("plan", json!(["a", 7])),
        ] {
            assert_eq!(result[field], value, "{field}");
        }
        let left = result["left"].as_u64().unwrap();
        assert!((1..=100).contains(&left), "{left}");
    }
    let id = submit(
        &platform,
        &json!({ "args": { "say": "hello" } }),
        &["--name", "greeting"],
    );
    let done = until_status(&platform, &id, "done").await;
    assert_eq!(done["worker_name"], "q:0");
    assert_eq!(
        done["claim"]["worker_incarnation"].as_str().unwrap().len(),
        32
    );
    assert_eq!(
        platform.cli(["task", "logs", &id]).ok(),
        "has greeting hello"
    );

    // What fails costs that task its attempts, and nobody else anything.
    let id = submit(
        &platform,
        &json!({ "args": { "fail": "no luck" } }),
        &["--retries", "1", "--backoff", "0.01"],
    );
    let failed = until_status(&platform, &id, "failed").await;
    assert_eq!(
        (&failed["error"], &failed["attempts"]),
        (&json!("no luck"), &json!(2))
    );
    assert!(
        text(&failed["traceback"]).contains("raise ValueError"),
        "{failed}"
    );
    assert_eq!(answer(&platform, &json!({}), &[])["count"], 7);
}

async fn workers_notice_nothing_of_the_death_of_the_platform(backend: Backend) {
    let mut platform = Platform::on(backend);
    let service = queue(&platform, "2", HANDLER, "handler.py").await;
    let before = workers(&service).await;
    assert_eq!(before.len(), 2);
    // One that is answered while nobody is there, and one that goes on.
    let short = submit(&platform, &json!({ "args": { "sleep": 1 } }), &[]);
    let long = submit(&platform, &json!({ "args": { "sleep": 8 } }), &[]);
    for id in [&short, &long] {
        until_status(&platform, id, "running").await;
    }
    let waiting = submit(&platform, &json!({}), &[]);
    platform.kill();
    platform.up();
    assert_eq!(workers(&service).await, before);
    for id in [&short, &long, &waiting] {
        let done = until_status(&platform, id, "done").await;
        assert_eq!(done["attempts"], 1, "{done}");
    }
    assert_eq!(workers(&service).await, before);
}

async fn a_task_whose_worker_dies_is_tried_again(backend: Backend) {
    let platform = Platform::on(backend);
    let service = queue(&platform, "2", HANDLER, "handler.py").await;
    let retried = submit(
        &platform,
        &json!({ "args": { "mark": "die" } }),
        &["--worker", "q:0", "--retries", "1", "--backoff", "0.01"],
    );
    let other = submit(
        &platform,
        &json!({ "args": { "sleep": 1 } }),
        &["--worker", "q:1"],
    );
    let failed = until_status(&platform, &retried, "failed").await;
    assert_eq!(failed["attempts"], 2, "{failed}");
    let error = text(&failed["error"]);
    assert!(
        error.starts_with("the worker was gone before it had answered: "),
        "{error}"
    );
    assert_eq!(until_status(&platform, &other, "done").await["attempts"], 1);

    // Without retries it is told in the words that monitors know.
    let orphan = submit(
        &platform,
        &json!({ "args": { "exit": 3 } }),
        &["--retries", "0"],
    );
    let failed = until_status(&platform, &orphan, "failed").await;
    assert_eq!(
        failed["error"],
        "orphaned service task recovered after worker heartbeat expired"
    );
    assert_eq!(failed["recovery"]["reason"], "expired-worker-heartbeat");
    assert!(failed["recovery"]["task_age_sec"].is_number(), "{failed}");

    // Who does not come back is replaced, and another one does what it could not.
    let late = submit(
        &platform,
        &json!({ "args": { "sleep": 1000 } }),
        &["--retries", "0", "--timeout", "0.5"],
    );
    let failed = until_status(&platform, &late, "failed").await;
    assert!(
        text(&failed["error"]).contains("not done within its time"),
        "{failed}"
    );
    let jobs = service.jobs().await;
    assert_eq!(jobs.len(), 2, "each worker has one job: {jobs:#?}");
    for index in ["q:0", "q:1"] {
        let id = submit(&platform, &json!({}), &["--worker", index]);
        let done = until_status(&platform, &id, "done").await;
        assert_eq!(done["worker_name"], index, "{done}");
    }
}

async fn an_agilab_worker_works_and_stops(backend: Backend) {
    let platform = Platform::on(backend);
    let service = queue(&platform, "2", &["--agi-worker", "agi.Flight"], "agi.py").await;
    for index in 0..2 {
        let chunk = |part: Value| json!({ "__agi_worker_chunk__": true, "chunk": part, "total_workers": 2, "worker_idx": index });
        let task = json!({ "plan": chunk(json!([["t", index]])), "metadata": chunk(json!([{}])), "args": { "factor": 3 } });
        let result = answer(&platform, &task, &["--worker", &format!("q:{index}")]);
        let expected = json!({ "calls": 1, "own": [["t", index]], "slots": 2, "factor": 3 });
        assert_eq!(result, expected);
    }
    let wrong = json!({ "plan": { "__agi_worker_chunk__": true, "chunk": [], "total_workers": 2, "worker_idx": 2 } });
    let id = submit(&platform, &wrong, &["--retries", "0"]);
    let failed = until_status(&platform, &id, "failed").await;
    assert!(
        text(&failed["error"]).contains("a chunk for worker 2 of 2"),
        "{failed}"
    );
    platform.cli(["service", "stop", "q"]).ok();
    for job in service.jobs().await {
        let id = text(&job["id"]);
        until_async("its hook to be called", async || {
            let output = service.output(&id).await;
            if output.contains("stops ") {
                Ok(())
            } else {
                Err(output)
            }
        })
        .await;
    }
}
