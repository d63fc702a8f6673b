//! What the platform shows of its executors.

use std::collections::HashMap;

use serde_json::Value;

use crate::api::text;
use crate::platform::Platform;
use crate::wait::until;

/// The rows of all executors by their ids.
pub fn executors(platform: &Platform) -> HashMap<String, Value> {
    let rows = platform.cli(["executor", "ls", "--format", "json"]).ok();
    let rows = rows.lines().map(serde_json::from_str::<Value>);
    let named = rows.map(|row| row.expect("a row"));
    let named = named.map(|row| (text(&row["id"]), row));
    named.collect()
}

/// Waits until one is as wanted; its row.
#[track_caller]
pub fn until_executor(platform: &Platform, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until("the executor to be as wanted", || {
        let rows = executors(platform);
        match rows.get(id) {
            Some(row) if wanted(row) => Ok(row.clone()),
            _ => Err(rows),
        }
    })
}

/// Whether an executor is in a state.
pub fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |row| row["state"] == state
}
