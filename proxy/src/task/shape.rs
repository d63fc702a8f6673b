//! A task as clients see it: `agi.service.task.v1`, with what the contract lacks beside it.

use std::collections::BTreeMap;

use eai_core::log::objects::Objects;
use eai_core::log::tasks::{Details, LiveTask, Taken, load, load_text};
use eai_core::task::{Claim, Content, Done, Event, Failure, Json, Phase};
use eai_core::worker;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::SCHEMA;
use crate::api::{ApiError, Shared, shown};

/// A JSON object of which some values are kept as they were written.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Document(BTreeMap<String, Json>);

// === impl Document ===

impl Document {
    fn set(&mut self, name: &str, value: impl Serialize) {
        // Texts, numbers and what was read as JSON: nothing of it cannot be written.
        if let Ok(value) = Json::of(&value) {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// What is known of a task without asking the log.
pub(crate) fn row(task: &LiveTask, taken: Option<&Taken>) -> Document {
    let mut row = Document::default();
    let status = match (task.phase, taken) {
        (Phase::Pending, Some(_)) => "running".to_owned(),
        (phase, _) => phase.to_string(),
    };
    row.set("schema", SCHEMA);
    row.set("id", task.id);
    match &task.batch {
        Some(batch) => row.set("task_id", batch),
        None => row.set("task_id", task.id),
    }
    row.set("task_name", &task.name);
    row.set("service", task.service.full_name.name.as_str());
    row.set("service_id", task.service.id);
    row.set("status", status);
    row.set("priority", task.priority);
    row.set("attempts", task.attempts);
    row.set("created_at", unix(task.created_at));
    row.set("created_on", shown(task.created_at));
    row.set("updated_on", shown(task.changed_at));
    if task.phase == Phase::Pending
        && let Some(due) = task.not_before
    {
        row.set("not_before", unix(due));
    }
    if task.phase == Phase::Failed {
        row.set("dead", task.dead);
    }
    if let (Phase::Done | Phase::Failed, Some(index)) = (task.phase, task.worker) {
        let service = &task.service.full_name.name;
        row.set("worker_name", worker::name(service, index));
    }
    if let Some(taken) = taken {
        row.set("worker_name", &taken.claim.worker);
        row.set("claim", claim(&taken.claim));
    }
    row
}

/// All of a task, with what it carries and what came of it.
pub(crate) async fn full(
    state: &Shared,
    task: &LiveTask,
    taken: Option<&Taken>,
    details: &Details,
) -> Result<Document, ApiError> {
    let objects = state.contents.objects();
    let submitted = &details.submitted;
    let payload = load(objects, &submitted.payload).await?;
    let payload: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(payload.get()).map_err(|error| ApiError::internal(&error))?;
    let mut document = Document::default();
    for (name, value) in payload {
        document.set(&name, value);
    }
    document.0.extend(row(task, taken).0);
    document.set("worker", submitted.worker.as_deref().unwrap_or_default());
    document.set("worker_idx", submitted.worker_idx);
    document.set("retries", submitted.retries);
    if let Some(key) = &submitted.key {
        document.set("key", key);
    }
    if let Some(timeout) = submitted.timeout_ms {
        document.set("timeout", seconds(timeout));
    }
    // What came of an attempt before the one under way is not the task's outcome.
    match &details.outcome {
        Some(Event::Done(done)) => finished(&mut document, objects, done).await?,
        Some(Event::Failed(failed)) if task.phase == Phase::Failed => {
            failure(&mut document, &failed.failure);
        }
        Some(Event::AttemptFailed(failed)) if task.phase == Phase::Pending && taken.is_none() => {
            document.set("error", &failed.failure.error);
            if let Some(traceback) = &failed.failure.traceback {
                document.set("traceback", traceback);
            }
        }
        _ => {}
    }
    Ok(document)
}

async fn finished(document: &mut Document, objects: &Objects, done: &Done) -> Result<(), ApiError> {
    worked(document, &done.claim, done.finished_at, done.runtime_us);
    document.set("result", load(objects, &done.result).await?);
    let logs = match &done.logs {
        Some(logs) => load_text(objects, logs).await?,
        None => String::new(),
    };
    document.set("logs", logs);
    Ok(())
}

fn failure(document: &mut Document, failure: &Failure) {
    worked(
        document,
        &failure.claim,
        failure.finished_at,
        failure.runtime_us,
    );
    document.set("error", &failure.error);
    if let Some(traceback) = &failure.traceback {
        document.set("traceback", traceback);
    }
    if let Some(recovery) = &failure.recovery {
        document.set("recovery", recovery);
    }
}

fn worked(document: &mut Document, by: &Claim, finished_at: OffsetDateTime, runtime_us: u64) {
    document.set("claim", claim(by));
    document.set("worker_id", by.worker_idx);
    document.set("worker_name", &by.worker);
    document.set("finished_at", unix(finished_at));
    document.set(
        "runtime",
        std::time::Duration::from_micros(runtime_us).as_secs_f64(),
    );
}

fn claim(claim: &Claim) -> serde_json::Value {
    json!({
        "claimed_at": unix(claim.claimed_at),
        "worker": claim.worker,
        "worker_id": claim.worker_idx,
        "worker_incarnation": claim.incarnation,
    })
}

/// The output of the newest attempt that is over.
pub(crate) fn logs(details: &Details) -> Option<&Content> {
    match details.outcome.as_ref()? {
        Event::Done(done) => done.logs.as_ref(),
        Event::Failed(failed) => failed.failure.logs.as_ref(),
        Event::AttemptFailed(failed) => failed.failure.logs.as_ref(),
        Event::Submitted(_) | Event::Cancelled(_) | Event::Requeued(_) => None,
    }
}

/// Unix seconds, as the contract has times.
fn unix(time: OffsetDateTime) -> f64 {
    let since = time - OffsetDateTime::UNIX_EPOCH;
    since.as_seconds_f64()
}

fn seconds(milliseconds: u64) -> f64 {
    std::time::Duration::from_millis(milliseconds).as_secs_f64()
}
