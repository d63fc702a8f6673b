//! What a worker of a queue service runs, where that is not its command.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Attribute;

/// Python code that the platform brings to life as a worker, written as `worker: {handler: module.function}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Worker {
    /// A function that is called with each task, and answers its result.
    Handler(Attribute),
    /// A worker class of AGILAB: `works(plan, metadata)`.
    AgiWorker(Attribute),
}

// === impl Worker ===

impl Worker {
    /// The canonical form: never to change.
    pub(super) fn canonical(&self) -> String {
        let (field, what) = match self {
            Self::Handler(function) => ("handler", function),
            Self::AgiWorker(class) => ("agiWorker", class),
        };
        // An attribute needs no quoting.
        format!(r#"{{"{field}":"{what}"}}"#)
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(function) => write!(f, "handler {function}"),
            Self::AgiWorker(class) => write!(f, "AGI worker {class}"),
        }
    }
}
