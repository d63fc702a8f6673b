//! Tasks into the log: all of a request's, or none.

use std::sync::Arc;

use eai_core::command::{Context, Part};
use eai_core::ids::TaskId;
use eai_core::log::live::LiveService;
use eai_core::log::tasks::{LiveTask, store};
use eai_core::service::Resource;
use eai_core::task::{Command, INLINE_PAYLOAD, Json, Submitted, TaskAggregate};
use time::Duration;

use super::NewTask;
use crate::api::{ApiError, PATIENCE, Shared, command};

/// Stores the tasks and answers them as they are then. The same command, or the same key, finds the same task.
pub(crate) async fn submit(
    state: &Shared,
    context: &Context,
    service: &LiveService,
    tasks: Vec<NewTask>,
) -> Result<Vec<Arc<LiveTask>>, ApiError> {
    command::admit(state)?;
    let objects = state.contents.objects();
    // Nothing that is stored here is swept before a task refers to it.
    let _hold = objects.hold().await;
    let mut parts = Vec::with_capacity(tasks.len());
    let mut ids = Vec::with_capacity(tasks.len());
    for (index, task) in (0..).zip(tasks) {
        let id = match &task.key {
            Some(key) => TaskId::keyed(service.id, key),
            None => TaskId(context.id.aggregate(index)),
        };
        let payload = Json::of(&task.payload).map_err(|error| ApiError::internal(&error))?;
        let delay = task.delay_ms.filter(|delay| *delay > 0);
        let delay = delay.and_then(|delay| i64::try_from(delay).ok());
        let submitted = Submitted {
            id,
            service: Resource {
                id: service.id,
                full_name: service.name.clone(),
            },
            batch: task.batch,
            name: task.name,
            worker: task.worker,
            worker_idx: task.worker_idx,
            priority: task.priority,
            not_before: delay.map(|delay| context.time + Duration::milliseconds(delay)),
            retries: task.retries,
            backoff: task.backoff,
            timeout_ms: task.timeout_ms,
            key: task.key,
            payload: store(objects, payload, INLINE_PAYLOAD).await?,
        };
        let account = service.name.account.clone();
        let keyed = submitted.key.is_some();
        let submit = Command::Submit(Box::new(submitted));
        // A key may well be there already.
        let part = if keyed {
            Part::<TaskAggregate>::on(account, id, submit)
        } else {
            Part::<TaskAggregate>::new(account, id, submit)
        };
        parts.push(part.boxed());
        ids.push(id);
    }
    let outcome = state.tasks.log().execute(context, &parts).await?;
    state.tasks.until(outcome.sequence, PATIENCE).await;
    let task = |id: TaskId| {
        state.tasks.get(id).ok_or_else(|| {
            // It ended and was removed since, or who reads the log is late.
            ApiError::not_ready(format!("task {id} is stored and cannot be shown now"))
        })
    };
    ids.into_iter().map(task).collect()
}
