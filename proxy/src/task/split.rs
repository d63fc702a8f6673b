//! A plan for all workers, taken apart: a slot a worker becomes a task for that worker, as a chunk object.

use eai_core::task::Json;
use serde::Serialize;
use serde_json::value::RawValue;

use super::NewTask;
use crate::api::ApiError;

/// One worker's share of a list.
#[derive(Serialize)]
struct Chunk<'a> {
    #[serde(rename = "__agi_worker_chunk__")]
    mark: bool,
    #[serde(rename = "chunk")]
    share: Option<&'a RawValue>,
    total_workers: u32,
    worker_idx: u32,
}

/// The tasks for the workers of `service`: one for each slot of the plan with something in it. A plan that is no list
/// is for every worker as it is.
pub(crate) fn split(
    whole: &NewTask,
    service: &str,
    workers: u32,
) -> Result<Vec<NewTask>, ApiError> {
    if whole.key.is_some() || whole.worker.is_some() || whole.worker_idx.is_some() {
        return Err(ApiError::bad_task(
            "a plan that is split has no `key`, `worker` or `worker_idx`: each worker gets a task of its own",
        ));
    }
    let slots = |name: &str| whole.payload.get(name).and_then(|value| list(value));
    let (plan, metadata) = (slots("plan"), slots("metadata"));
    if let Some(plan) = &plan
        && plan.len() > workers as usize
    {
        return Err(ApiError::bad_task(format!(
            "the plan has {} slots and service `{service}` wants {workers} workers: make it a slot a worker",
            plan.len()
        )));
    }
    let mut tasks = Vec::new();
    for worker_idx in 0..workers {
        let slot = |slots: &Option<Vec<Box<RawValue>>>| {
            slots
                .as_ref()
                .map(|slots| slots.get(worker_idx as usize).cloned())
        };
        let mine = slot(&plan);
        if mine.as_ref().is_some_and(|mine| is_empty(mine.as_deref())) {
            continue;
        }
        let mut task = whole.clone();
        task.worker = Some(format!("{service}:{worker_idx}"));
        for (name, slot) in [("plan", mine), ("metadata", slot(&metadata))] {
            let Some(chunk) = slot else { continue };
            let chunk = Chunk {
                mark: true,
                share: chunk.as_deref(),
                total_workers: workers,
                worker_idx,
            };
            let chunk = serde_json::value::to_raw_value(&chunk);
            let chunk = chunk.map_err(|error| ApiError::internal(&error))?;
            task.payload.insert(name.into(), chunk);
        }
        tasks.push(task);
    }
    if tasks.is_empty() {
        return Err(ApiError::bad_task(
            "the plan has nothing for any worker: give it a slot with something in it",
        ));
    }
    Ok(tasks)
}

/// The values of a list; none where it is no list.
fn list(value: &RawValue) -> Option<Vec<Box<RawValue>>> {
    serde_json::from_str(value.get()).ok()
}

/// Whether there is nothing to do in a slot.
fn is_empty(slot: Option<&RawValue>) -> bool {
    let compact = slot.map(|slot| Json::parse(slot.get()).map(|json| json.get().to_owned()));
    match compact {
        None => true,
        Some(text) => matches!(text.as_deref(), Ok("null" | "[]" | "{}" | "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(text: &str, workers: u32) -> Result<Vec<NewTask>, ApiError> {
        split(&NewTask::one(text).unwrap(), "q", workers)
    }

    #[test]
    fn a_slot_is_a_chunk_of_its_worker() {
        let tasks = tasks(
            r#"{"plan":[[["t"]],null,[["u"]]],"metadata":[[{"k":1}]],"args":{"foo":1}}"#,
            4,
        )
        .unwrap();
        let workers: Vec<_> = tasks
            .iter()
            .map(|task| task.worker.as_deref().unwrap())
            .collect();
        assert_eq!(workers, ["q:0", "q:2"]);
        let payload = |task: &NewTask| serde_json::to_value(&task.payload).unwrap();
        assert_eq!(
            payload(&tasks[0]),
            serde_json::json!({
                "args": {"foo": 1},
                "metadata": {"__agi_worker_chunk__": true, "chunk": [{"k": 1}], "total_workers": 4, "worker_idx": 0},
                "plan": {"__agi_worker_chunk__": true, "chunk": [["t"]], "total_workers": 4, "worker_idx": 0},
            })
        );
        assert_eq!(
            payload(&tasks[1])["metadata"]["chunk"],
            serde_json::Value::Null
        );
        assert_eq!(tasks[0].worker_idx, None, "as the contract has it");
    }

    #[test]
    fn what_is_no_list_is_for_everybody() {
        let tasks = tasks(r#"{"plan":{"all":1}}"#, 2).unwrap();
        assert_eq!(tasks.len(), 2);
        assert_eq!(tasks[1].payload["plan"].get(), r#"{"all":1}"#);
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        for (text, named) in [
            (r#"{"plan":[1,2,3]}"#, "3 slots"),
            (r#"{"plan":[null,[]]}"#, "nothing for any worker"),
            (r#"{"plan":[1],"key":"a"}"#, "`key`"),
        ] {
            let error = tasks(text, 2).unwrap_err();
            assert!(error.message().contains(named), "{}", error.message());
        }
    }
}
