//! Sending tasks as a careful client does: with an id, again and again until there is a definite answer.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use uuid::Uuid;

use super::schedule::Batch;
use crate::api::{Answer, Api};

/// How long one call may take; a frozen platform answers none.
const CALL: Duration = Duration::from_secs(20);
/// How long a definite answer may take with all that is done to the platform.
const PATIENCE: Duration = Duration::from_mins(4);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one question waits for the end of a task, in seconds.
const WAIT: u64 = 10;

/// Who sends, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Sender {
    /// Tasks that are stored, by what was answered, and the number that each was sent with.
    pub(super) accepted: Vec<(String, Value)>,
    /// How some of them ended, by what was answered.
    pub(super) told: Vec<(String, Value)>,
    /// How often a command was sent again, since nobody knew what had become of it.
    pub(super) again: usize,
    /// What went wrong.
    pub(super) wrong: Vec<String>,
}

// === impl Sender ===

impl Sender {
    /// Sends all of it.
    pub(super) async fn work(mut self, api: Api, service: String, batches: Vec<Batch>) -> Self {
        for batch in batches {
            let ids = self.send(&api, &service, &batch.tasks).await;
            if batch.is_awaited {
                for id in ids {
                    self.wait(&api, &id).await;
                }
            }
            tokio::time::sleep(batch.pause).await;
        }
        self
    }

    async fn send(&mut self, api: &Api, service: &str, tasks: &[Value]) -> Vec<String> {
        let lines: Vec<_> = tasks.iter().map(Value::to_string).collect();
        let lines = lines.join("\n");
        let command = Uuid::new_v4().to_string();
        let path = format!("/v1/service/{service}/task");
        let start = Instant::now();
        loop {
            let request = api
                .request(Method::POST, &path)
                .header(CONTENT_TYPE, "application/x-ndjson")
                .header("idempotency-key", &command)
                .body(lines.clone())
                .timeout(CALL);
            let last = match Answer::try_of(request).await {
                Ok(answer) if answer.status == 201 => return self.accept(&answer.ok(), tasks),
                Ok(answer) if answer.status < 500 => {
                    let what = format!("tasks were answered {}: {}", answer.status, answer.text());
                    self.wrong.push(what);
                    return Vec::new();
                }
                Ok(answer) => answer.text(),
                Err(error) => error.to_string(),
            };
            if start.elapsed() > PATIENCE {
                self.wrong.push(format!("tasks were never taken: {last}"));
                return Vec::new();
            }
            self.again += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn accept(&mut self, answer: &Value, tasks: &[Value]) -> Vec<String> {
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        if items.len() != tasks.len() {
            let what = format!("{} tasks were answered with {}", tasks.len(), items.len());
            self.wrong.push(what);
        }
        let ids = items
            .iter()
            .map(|item| item["id"].as_str().unwrap_or_default());
        let ids: Vec<_> = ids.map(str::to_owned).collect();
        let numbers = tasks.iter().map(|task| task["args"]["number"].clone());
        self.accepted.extend(ids.iter().cloned().zip(numbers));
        ids
    }

    /// Waits for a task's end, and remembers what was told of it.
    async fn wait(&mut self, api: &Api, id: &str) {
        let path = format!("/v1/task/{id}?wait={WAIT}");
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let request = api.request(Method::GET, &path).timeout(CALL);
            match Answer::try_of(request).await {
                Ok(answer) if answer.status == 200 => {
                    let task = answer.ok();
                    if matches!(task["status"].as_str(), Some("done" | "failed")) {
                        self.told.push((id.to_owned(), task));
                        return;
                    }
                }
                // It ended, and others have ended since.
                Ok(answer) if answer.status == 404 => return,
                Ok(answer) if answer.status < 500 => {
                    let what = format!("task {id}: {}: {}", answer.status, answer.text());
                    self.wrong.push(what);
                    return;
                }
                Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        // Whether it ends at all is judged once it is quiet: a pinned one waits as long as its worker is away.
    }
}
