//! A task as its worker is given it.

use std::collections::BTreeMap;

use eai_core::ids::TaskId;
use eai_core::log;
use eai_core::log::tasks::{ContentError, LiveTask, load};
use eai_core::task::Submitted;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Queues;
use crate::backend::PAYLOAD_MAX;

/// What the document is, for whoever reads it.
const SCHEMA: &str = "agi.service.task.v1";

/// A task that can be handed over.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) submitted: Submitted,
    pub(super) event: Box<RawValue>,
}

/// Why a task cannot be handed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unprepared {
    /// It is no more.
    #[error("the task is gone")]
    Gone,
    /// It never will be.
    #[error("{0}")]
    Never(String),
    /// It will be, later.
    #[error("{0}")]
    Later(String),
}

#[derive(Serialize)]
struct Event<'a> {
    schema: &'a str,
    task_id: &'a str,
    task_name: &'a str,
    plan: Box<RawValue>,
    metadata: Box<RawValue>,
    args: Box<RawValue>,
    worker: &'a str,
    #[serde(flatten)]
    others: BTreeMap<String, Box<RawValue>>,
}

/// The fields of an event that nobody who submits a task may set.
const OWN: [&str; 4] = ["schema", "task_id", "task_name", "worker"];

impl Queues {
    /// Brings what a task carries into the form that a worker gets.
    pub(super) async fn prepare(
        &self,
        task: &LiveTask,
        worker: &str,
    ) -> Result<Prepared, Unprepared> {
        let submitted = match self.tasks.submitted(task).await {
            Ok(submitted) => submitted.ok_or(Unprepared::Gone)?,
            Err(error @ (log::Error::Damaged(_) | log::Error::Unreadable { .. })) => {
                return Err(Unprepared::Never(error.to_string()));
            }
            Err(error) => return Err(Unprepared::Later(error.to_string())),
        };
        let payload = match load(&self.objects, &submitted.payload).await {
            Ok(payload) => payload,
            Err(error @ (ContentError::Json(_) | ContentError::TooLarge { .. })) => {
                return Err(Unprepared::Never(error.to_string()));
            }
            Err(ContentError::Objects(error)) => match error {
                log::objects::Error::Unavailable(_) => {
                    return Err(Unprepared::Later(error.to_string()));
                }
                error => return Err(Unprepared::Never(error.to_string())),
            },
        };
        let event = event(&submitted, task.id, payload.get(), worker)
            .map_err(|error| Unprepared::Never(format!("the task carries no plan: {error}")))?;
        let bytes = event.get().len();
        if bytes > PAYLOAD_MAX {
            return Err(Unprepared::Never(format!(
                "the task carries {bytes} bytes, and a worker is given at most {PAYLOAD_MAX}: put them into data, \
                 and send a reference"
            )));
        }
        Ok(Prepared { submitted, event })
    }
}

fn event(
    submitted: &Submitted,
    id: TaskId,
    payload: &str,
    worker: &str,
) -> Result<Box<RawValue>, serde_json::Error> {
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(payload)?;
    fields.retain(|name, _| !OWN.contains(&&**name));
    let mut field = |name: &str, empty: &str| match fields.remove(name) {
        Some(value) => Ok(value),
        None => RawValue::from_string(empty.to_owned()),
    };
    let id = id.to_string();
    serde_json::value::to_raw_value(&Event {
        schema: SCHEMA,
        task_id: submitted.batch.as_ref().unwrap_or(&id),
        task_name: &submitted.name,
        plan: field("plan", "[]")?,
        metadata: field("metadata", "[]")?,
        args: field("args", "{}")?,
        worker,
        others: fields,
    })
}

#[cfg(test)]
mod tests {
    use eai_core::ids::ServiceId;
    use eai_core::service::Resource;
    use eai_core::task::{Backoff, Content, Json};
    use uuid::Uuid;

    use super::*;

    fn submitted(batch: Option<&str>) -> Submitted {
        Submitted {
            id: TaskId(Uuid::from_u128(1)),
            service: Resource {
                id: ServiceId(Uuid::from_u128(2)),
                full_name: "snow.testacc.q".parse().unwrap(),
            },
            batch: batch.map(str::to_owned),
            name: "service-workplan".into(),
            worker: None,
            worker_idx: None,
            priority: 0,
            not_before: None,
            retries: 0,
            backoff: Backoff::default(),
            timeout_ms: None,
            key: None,
            payload: Content::Inline(Json::parse("{}").unwrap()),
        }
    }

    fn told(batch: Option<&str>, payload: &str) -> String {
        let submitted = submitted(batch);
        let event = event(&submitted, submitted.id, payload, "q:1").unwrap();
        String::from(Box::<str>::from(event))
    }

    #[test]
    fn a_worker_gets_what_was_sent_as_it_was_written() {
        let payload = r#"{"plan":[1.50],"metadata":{"__agi_worker_chunk__":true},"args":{"x":1e3},"more":7,"worker":"none"}"#;
        assert_eq!(
            told(Some("mine"), payload),
            r#"{"schema":"agi.service.task.v1","task_id":"mine","task_name":"service-workplan","plan":[1.50],"metadata":{"__agi_worker_chunk__":true},"args":{"x":1e3},"worker":"q:1","more":7}"#
        );
    }

    #[test]
    fn what_was_not_sent_is_empty() {
        assert_eq!(
            told(None, "{}"),
            r#"{"schema":"agi.service.task.v1","task_id":"00000000-0000-0000-0000-000000000001","task_name":"service-workplan","plan":[],"metadata":[],"args":{},"worker":"q:1"}"#
        );
    }
}
