//! Tasks as the API's own document tells of them: what may be sent, and what comes back.
//!
//! Both are read and written field by field elsewhere, so that what is not ours stays as it was; only their schemas
//! are here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Document, NewTask};

/// A task to be submitted. Fields that are not named here are kept as they are.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "its schema is all that is asked for")]
struct Fields {
    /// `agi.service.task.v1`.
    #[schemars(extend("const" = super::SCHEMA))]
    #[serde(default)]
    schema: String,
    /// What tasks that belong together have in common.
    #[schemars(length(max = 256))]
    task_id: Option<String>,
    /// A label.
    #[schemars(length(max = 256))]
    task_name: Option<String>,
    /// The only worker that takes it.
    #[schemars(length(max = 256))]
    worker: Option<String>,
    /// The only worker that takes it, by its index.
    worker_idx: Option<u32>,
    /// Higher ones come first.
    #[schemars(range(min = -1000, max = 1000))]
    priority: Option<i32>,
    /// For how many seconds nobody takes it.
    #[schemars(range(min = 0, max = 31_622_400))]
    delay: Option<f64>,
    /// How often it is tried again.
    #[schemars(range(min = 0, max = 1000))]
    retries: Option<u32>,
    /// How many seconds there are between the first two attempts.
    #[schemars(range(min = 0, max = 31_622_400))]
    backoff: Option<f64>,
    /// How many seconds an attempt may take.
    #[schemars(range(min = 0.001, max = 604_800))]
    timeout: Option<f64>,
    /// The same key is the same task.
    #[schemars(length(max = 256))]
    key: Option<String>,
    /// What the worker is called with.
    #[serde(default)]
    args: Map<String, Value>,
    /// What is to be done, for workers that go by a plan.
    plan: Option<Value>,
    /// What belongs to the plan.
    metadata: Option<Value>,
}

/// A task. In lists without `plan`, `metadata`, `args`, `result`, `logs` and `error`; what else was sent is there, too.
#[derive(Serialize, JsonSchema)]
struct Shape {
    /// `agi.service.task.v1`.
    #[schemars(extend("const" = super::SCHEMA))]
    schema: String,
    id: Uuid,
    task_id: String,
    task_name: String,
    service: String,
    service_id: Uuid,
    status: Status,
    priority: i32,
    attempts: u32,
    /// In seconds since 1970.
    created_at: f64,
    created_on: String,
    updated_on: String,
    /// When it may be taken, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<f64>,
    /// It is not tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_name: Option<String>,
    /// Who has it, or had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_idx: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    /// In seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<f64>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<f64>,
    /// What the worker answered.
    #[serde(skip_serializing_if = "Value::is_null")]
    result: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<String>,
}

/// Where a task is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TaskStatus")]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "its schema is all that is asked for")]
enum Status {
    Pending,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// Who took a task.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TaskClaim")]
struct Claim {
    /// In seconds since 1970.
    claimed_at: f64,
    worker: String,
    worker_id: u32,
    worker_incarnation: Value,
}

macro_rules! is_as {
    ($type:ty: $name:literal $shape:ty) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$shape>::json_schema(generator)
            }
        }
    };
}

is_as!(NewTask: "NewTask" Fields);
is_as!(Document: "Task" Shape);
