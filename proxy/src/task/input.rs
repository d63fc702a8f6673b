//! What users send as a task, checked: fields of the contract, ours, and others that are kept as they are.

use std::collections::BTreeMap;

use eai_core::task::{Backoff, Json};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{MOST_TASKS, SCHEMA};
use crate::api::ApiError;

/// The longest name, key, worker or `task_id`.
const MOST_TEXT: usize = 256;
/// The longest wait before a task, or between its attempts, in seconds.
const MOST_DELAY: f64 = 366.0 * 86_400.0;
/// The longest time that an attempt may take, in seconds.
const MOST_TIMEOUT: f64 = 7.0 * 86_400.0;
/// How often a task is tried again where nothing is asked.
const RETRIES: u32 = 3;
const MOST_RETRIES: u32 = 1000;
const MOST_PRIORITY: i32 = 1000;
/// The label of a task that has none.
const NAME: &str = "service-workplan";
/// What the platform writes about a task: a task that is sent again does not bring it along.
const OURS: [&str; 22] = [
    "attempts",
    "claim",
    "created_at",
    "created_on",
    "dead",
    "error",
    "finished_at",
    "id",
    "logs",
    "not_before",
    "recovery",
    "result",
    "retry_at",
    "runtime",
    "service",
    "service_id",
    "status",
    "traceback",
    "updated_on",
    "worker_id",
    "worker_incarnation",
    "worker_name",
];

type Fields = BTreeMap<String, Box<RawValue>>;

/// A task to be submitted.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) batch: Option<String>,
    pub(crate) name: String,
    pub(crate) worker: Option<String>,
    pub(crate) worker_idx: Option<u32>,
    pub(crate) priority: i32,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) key: Option<String>,
    /// `plan`, `metadata`, `args`, and what else was sent.
    pub(crate) payload: Fields,
}

/// The tasks in lines of JSON. The first thing that is wrong is told with its line, and then nothing is stored.
pub(crate) fn lines(text: &str) -> Result<Vec<NewTask>, ApiError> {
    let mut tasks = Vec::new();
    let lines = text.lines().enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        if tasks.len() == MOST_TASKS {
            return Err(ApiError::too_large(format!(
                "one request takes at most {MOST_TASKS} tasks: send the rest with another"
            )));
        }
        let task = NewTask::read(line)
            .map_err(|why| ApiError::bad_task(format!("line {}: {why}", index + 1)))?;
        tasks.push(task);
    }
    if tasks.is_empty() {
        return Err(ApiError::bad_task(
            "there is no task in it: send one object a line",
        ));
    }
    let mut keys = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(key) = &task.key
            && let Some(earlier) = keys.insert(key, index)
        {
            let (earlier, later) = (earlier + 1, index + 1);
            return Err(ApiError::bad_task(format!(
                "tasks {earlier} and {later} have the same key `{key}`: they would be one task"
            )));
        }
    }
    Ok(tasks)
}

// === impl NewTask ===

impl NewTask {
    /// One task.
    pub(crate) fn one(text: &str) -> Result<Self, ApiError> {
        Self::read(text).map_err(ApiError::bad_task)
    }

    /// A task with nothing but arguments.
    pub(crate) fn with_args(text: &str) -> Result<Self, ApiError> {
        let args = Json::parse(text).map_err(|error| format!("it is not JSON: {error}"));
        let task = args.and_then(|args| Self::read(&format!("{{\"args\":{}}}", args.get())));
        task.map_err(ApiError::bad_task)
    }

    fn read(text: &str) -> Result<Self, String> {
        let json = Json::parse(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let mut fields: Fields = serde_json::from_str(json.get())
            .map_err(|_| "a task is a JSON object, such as {\"args\":{\"x\":1}}".to_owned())?;
        fields.retain(|name, _| !OURS.contains(&name.as_str()));
        let schema: Option<String> = take(&mut fields, "schema", "a text")?;
        if schema.is_some_and(|schema| schema != SCHEMA) {
            return Err(format!("`schema` must be `{SCHEMA}`"));
        }
        let first = seconds(&mut fields, "backoff", MOST_DELAY)?;
        let backoff = Backoff::default();
        let task = Self {
            batch: text_of(&mut fields, "task_id")?,
            name: text_of(&mut fields, "task_name")?.unwrap_or_else(|| NAME.into()),
            worker: text_of(&mut fields, "worker")?,
            worker_idx: take(&mut fields, "worker_idx", "a worker's index, from 0")?,
            priority: take(&mut fields, "priority", "a whole number")?.unwrap_or(0),
            delay_ms: seconds(&mut fields, "delay", MOST_DELAY)?,
            retries: take(&mut fields, "retries", "a whole number from 0")?.unwrap_or(RETRIES),
            backoff: Backoff {
                first_ms: first.unwrap_or(backoff.first_ms),
                most_ms: backoff.most_ms.max(first.unwrap_or(0)),
            },
            timeout_ms: seconds(&mut fields, "timeout", MOST_TIMEOUT)?,
            key: text_of(&mut fields, "key")?,
            payload: fields,
        };
        task.checked()
    }

    fn checked(mut self) -> Result<Self, String> {
        if self.priority.abs() > MOST_PRIORITY {
            return Err(format!(
                "`priority` must be from -{MOST_PRIORITY} to {MOST_PRIORITY}"
            ));
        }
        if self.retries > MOST_RETRIES {
            return Err(format!("`retries` must be from 0 to {MOST_RETRIES}"));
        }
        if self.timeout_ms == Some(0) {
            return Err("`timeout` must be more than 0 seconds".into());
        }
        let args = self.payload.remove("args");
        let args: Fields = match args {
            None => Fields::new(),
            Some(args) => serde_json::from_str(args.get())
                .map_err(|_| "`args` must be an object, such as {\"x\":1}".to_owned())?,
        };
        let own = |name: &String| !name.starts_with("_agi_service_");
        let args: Fields = args.into_iter().filter(|(name, _)| own(name)).collect();
        let args = serde_json::value::to_raw_value(&args).map_err(|error| error.to_string())?;
        self.payload.insert("args".into(), args);
        for list in ["plan", "metadata"] {
            let absent = !self.payload.contains_key(list);
            if absent {
                let nothing = RawValue::from_string("[]".into());
                let nothing = nothing.map_err(|error| error.to_string())?;
                self.payload.insert(list.into(), nothing);
            }
        }
        Ok(self)
    }
}

/// A field that is a text of some length; empty is none.
fn text_of(fields: &mut Fields, name: &str) -> Result<Option<String>, String> {
    let text: Option<String> = take(fields, name, "a text")?;
    let text = text.filter(|text| !text.is_empty());
    match &text {
        Some(text) if text.len() > MOST_TEXT => Err(format!("`{name}` may have {MOST_TEXT} bytes")),
        Some(text) if text.contains(char::is_control) => {
            Err(format!("`{name}` may have no control characters"))
        }
        _ => Ok(text),
    }
}

/// A field that is a time in seconds, in milliseconds.
fn seconds(fields: &mut Fields, name: &str, most: f64) -> Result<Option<u64>, String> {
    let wanted = format!("a number of seconds from 0 to {most}");
    let Some(seconds) = take::<f64>(fields, name, &wanted)? else {
        return Ok(None);
    };
    if !(0.0..=most).contains(&seconds) {
        return Err(format!("`{name}` must be {wanted}"));
    }
    let milliseconds = std::time::Duration::from_secs_f64(seconds).as_millis();
    Ok(u64::try_from(milliseconds).ok())
}

/// A field, if it is there and not null.
fn take<T: DeserializeOwned>(
    fields: &mut Fields,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, String> {
    let Some(value) = fields.remove(name) else {
        return Ok(None);
    };
    serde_json::from_str(value.get()).map_err(|_| format!("`{name}` must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NewTask {
        NewTask::one(text).unwrap()
    }

    fn payload(task: &NewTask) -> String {
        serde_json::to_string(&task.payload).unwrap()
    }

    #[test]
    fn what_is_not_ours_is_kept_as_it_was_written() {
        let task = read(
            r#"{"schema": "agi.service.task.v1", "args": {"x": 1.50, "_agi_service_y": 2}, "color": "blue",
                "status": "done", "claim": {}, "worker": "", "worker_idx": null}"#,
        );
        assert_eq!(
            payload(&task),
            r#"{"args":{"x":1.50},"color":"blue","metadata":[],"plan":[]}"#
        );
        assert_eq!((task.worker, task.worker_idx), (None, None));
        assert_eq!((task.name.as_str(), task.retries), ("service-workplan", 3));
    }

    #[test]
    fn times_are_seconds() {
        let task = read(r#"{"delay": 1.5, "timeout": 60, "backoff": 600, "retries": 0}"#);
        assert_eq!((task.delay_ms, task.timeout_ms), (Some(1500), Some(60_000)));
        assert_eq!(
            (task.backoff.first_ms, task.backoff.most_ms),
            (600_000, 600_000)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("[]", "object"),
            ("{", "JSON"),
            (r#"{"args": [1]}"#, "`args`"),
            (r#"{"schema": "x"}"#, "`schema`"),
            (r#"{"priority": 1.5}"#, "`priority`"),
            (r#"{"priority": 1001}"#, "`priority`"),
            (r#"{"retries": -1}"#, "`retries`"),
            (r#"{"retries": 1001}"#, "`retries`"),
            (r#"{"delay": -1}"#, "`delay`"),
            (r#"{"delay": 1e300}"#, "`delay`"),
            (r#"{"timeout": 0}"#, "`timeout`"),
            (r#"{"worker_idx": -1}"#, "`worker_idx`"),
            (r#"{"key": "a\u0000"}"#, "`key`"),
            (r#"{"task_name": 7}"#, "`task_name`"),
        ] {
            let error = NewTask::one(text).unwrap_err();
            assert!(
                error.message().contains(named),
                "{text}: {}",
                error.message()
            );
        }
        let long = format!(r#"{{"key": "{}"}}"#, "k".repeat(257));
        assert!(NewTask::one(&long).is_err());
    }

    #[test]
    fn lines_are_taken_whole_or_not_at_all() {
        assert_eq!(lines("{}\n\n {\"key\":\"a\"}\r\n").unwrap().len(), 2);
        let error = lines("{}\n\n{\"retries\":\"x\"}").unwrap_err();
        assert!(
            error.message().starts_with("line 3: `retries`"),
            "{}",
            error.message()
        );
        let error = lines("{\"key\":\"a\"}\n{\"key\":\"a\"}").unwrap_err();
        assert!(error.message().contains("same key `a`"));
        assert!(lines("\n").is_err());
        assert!(lines(&"{}\n".repeat(MOST_TASKS)).is_ok());
        assert!(lines(&"{}\n".repeat(MOST_TASKS + 1)).is_err());
    }

    #[test]
    fn arguments_alone_are_a_task() {
        let task = NewTask::with_args(r#"{"retries": 7}"#).unwrap();
        assert_eq!(task.retries, 3, "it is an argument");
        assert_eq!(
            payload(&task),
            r#"{"args":{"retries":7},"metadata":[],"plan":[]}"#
        );
        assert!(NewTask::with_args("7").is_err());
        assert!(NewTask::with_args(r#"{"a":1},"retries":{"#).is_err());
    }
}
