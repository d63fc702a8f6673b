//! Tasks: submit, list, get, wait, cancel, try again, remove.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use eai_core::access::Thing;
use eai_core::ids::{CommandId, TaskId};
use eai_core::log::tasks::{Details, Kept, LiveTask, Which, load, load_text};
use eai_core::task::{Event, Phase};
use eai_projections::ServiceRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::extract::{self, Input, Key, Params, Ref};
use super::list::{List, limit};
use super::openapi::{Lines, Made, Sent, Text, Told};
use super::position::PATIENCE;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;
use crate::task::{self, Document, MOST_BODY, MOST_WAIT, NewTask, full, row};

/// The most rows of one answer.
const MOST: u32 = 1000;
/// The media type of a task a line.
const NDJSON: &str = "application/x-ndjson";

/// How tasks are submitted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmitQuery {
    /// The plan is for all workers: each gets a task with its slot.
    #[serde(default)]
    split: bool,
}

/// Which tasks are meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskQuery {
    /// `pending`, `running`, `done`, `failed`, `cancelled`, `dead`; all where it is absent.
    status: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<u64>,
}

/// What to remove.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurgeQuery {
    /// `done`, `failed`, `cancelled`; all three where it is absent.
    status: Option<String>,
}

/// How long to wait for a task's end, in seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitQuery {
    /// In seconds.
    #[schemars(range(max = 60))]
    wait: Option<u64>,
}

/// Which dead letters to try again; all where none is named.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Requeue {
    tasks: Vec<Uuid>,
}

/// How many tasks something happened to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Count {
    tasks: usize,
}

pub(crate) async fn submit(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    Ref(reference): Ref,
    Params(query): Params<SubmitQuery>,
    headers: HeaderMap,
    Sent(request, ..): Sent<(Json<NewTask>, Lines<NewTask>)>,
) -> Result<Told<(Made<Document>, Made<List<Document>>)>, ApiError> {
    let known = resolve::service_id(&state, &caller, &reference).await?;
    let service = task::queue_of(&state, known)?;
    let many = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(NDJSON.as_bytes()));
    let text = extract::text(request, MOST_BODY).await?;
    let context = command::context(&caller, id, &headers);
    let one = !many && !query.split;
    let tasks = if query.split {
        let workers = service.queue.as_ref().map_or(0, |queue| queue.workers);
        let mut whole = NewTask::one(&text)?;
        // They belong together, and say so.
        whole.batch.get_or_insert_with(|| id.0.to_string());
        task::split(&whole, service.name.name.as_str(), workers)?
    } else if many {
        task::lines(&text)?
    } else {
        vec![NewTask::one(&text)?]
    };
    let tasks = task::submit(&state, &context, &service, tasks).await?;
    let mut documents: Vec<_> = tasks.iter().map(|task| shown(&state, task)).collect();
    if one && let Some(document) = documents.pop() {
        return Ok(Made(document).into_response().into());
    }
    let list = List {
        items: documents,
        next: None,
    };
    Ok(Made(list).into_response().into())
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<TaskQuery>,
) -> Result<Json<List<Document>>, ApiError> {
    let service = resolve::service(&state, &caller, &reference).await?;
    let which = match query.status.as_deref() {
        None | Some("all") => Which::All,
        Some("pending") => Which::Waiting,
        Some("running") => Which::Running,
        Some("dead") => Which::Dead,
        Some(text) => Which::Ended(phase(text)?),
    };
    page(&state, &service, which, &query)
}

pub(crate) async fn dead(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<TaskQuery>,
) -> Result<Json<List<Document>>, ApiError> {
    let service = resolve::service(&state, &caller, &reference).await?;
    page(&state, &service, Which::Dead, &query)
}

fn page(
    state: &Shared,
    service: &ServiceRow,
    which: Which,
    query: &TaskQuery,
) -> Result<Json<List<Document>>, ApiError> {
    let most = limit("limit", query.limit, MOST)? as usize;
    let before = query.after.unwrap_or(u64::MAX);
    let mut tasks = state.tasks.list(service.id, which, before, most + 1);
    let more = tasks.len() > most;
    tasks.truncate(most);
    let last = tasks.last().map(|task| task.submitted.to_string());
    Ok(Json(List {
        items: tasks.iter().map(|task| shown(state, task)).collect(),
        next: last.filter(|_| more),
    }))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<WaitQuery>,
) -> Result<Json<Document>, ApiError> {
    let task = found(&state, &caller, &reference)?;
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(MOST_WAIT));
    let task = task::ended(&state, task, wait).await;
    whole(&state, &task).await
}

pub(crate) async fn result(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Told<Json<eai_core::task::Json>>, ApiError> {
    let task = found(&state, &caller, &reference)?;
    result_of(&state, &task).await.map(Told::from)
}

/// What a worker answered; an error where none did.
pub(crate) async fn result_of(state: &Shared, task: &LiveTask) -> Result<Response, ApiError> {
    let details = details(state, task).await?;
    let (id, phase) = (task.id, task.phase);
    match (&details.outcome, phase) {
        (Some(Event::Done(done)), Phase::Done) => {
            let result = load(state.contents.objects(), &done.result).await?;
            let json = HeaderValue::from_static("application/json");
            Ok(([(CONTENT_TYPE, json)], result.get().to_owned()).into_response())
        }
        (Some(Event::Failed(failed)), Phase::Failed) => {
            let error = &failed.failure.error;
            let text = format!("task {id} failed: {error}");
            Err(ApiError::conflict("task-failed", text))
        }
        (_, Phase::Cancelled) => {
            let text = format!("task {id} was cancelled");
            Err(ApiError::conflict("task-cancelled", text))
        }
        _ => Err(ApiError::conflict(
            "not-ended",
            format!("task {id} has no result yet: `eai task get {id}` tells where it is"),
        )),
    }
}

/// What the worker printed during the newest attempt that is over.
pub(crate) async fn logs(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
) -> Result<Told<Text>, ApiError> {
    let task = found(&state, &caller, &reference)?;
    let details = details(&state, &task).await?;
    let text = match task::logs(&details) {
        Some(logs) => load_text(state.contents.objects(), logs).await?,
        None => String::new(),
    };
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(CONTENT_TYPE, plain)], text).into_response().into())
}

pub(crate) async fn cancel(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Document>, ApiError> {
    command::admit(&state)?;
    let task = found(&state, &caller, &reference)?;
    let context = command::essential(command::context(&caller, id, &headers));
    let outcome = state.tasks.cancel(&context, &task).await?;
    state.tasks.until(outcome.sequence, PATIENCE).await;
    whole(&state, &again(&state, task)).await
}

pub(crate) async fn retry(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Document>, ApiError> {
    command::admit(&state)?;
    let task = found(&state, &caller, &reference)?;
    let context = command::context(&caller, id, &headers);
    let outcome = state.tasks.requeue(&context, &task).await?;
    state.tasks.until(outcome.sequence, PATIENCE).await;
    whole(&state, &again(&state, task)).await
}

/// Tries dead letters again: those that are named, or all.
pub(crate) async fn requeue(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
    Input(wanted): Input<Requeue>,
) -> Result<Json<Count>, ApiError> {
    command::admit(&state)?;
    let service = resolve::service(&state, &caller, &reference).await?;
    let dead = if wanted.tasks.is_empty() {
        state
            .tasks
            .list(service.id, Which::Dead, u64::MAX, usize::MAX)
    } else {
        let named = wanted.tasks.iter().map(|id| {
            let task = found(&state, &caller, &id.to_string())?;
            if task.service.id != service.id || !task.dead {
                let text = format!("task {id} is no dead letter of this service");
                return Err(ApiError::conflict("not-dead", text));
            }
            Ok(task)
        });
        named.collect::<Result<_, _>>()?
    };
    let mut sequence = 0;
    for task in &dead {
        // Each its own, so that one that was requeued meanwhile keeps no other.
        let id = CommandId(Uuid::new_v5(&id.0, task.id.0.as_bytes()));
        let context = command::context(&caller, id, &headers);
        let outcome = state.tasks.requeue(&context, task).await?;
        sequence = outcome.sequence.max(sequence);
    }
    state.tasks.until(sequence, PATIENCE).await;
    Ok(Json(Count { tasks: dead.len() }))
}

/// Removes tasks that ended; what is pending stays.
pub(crate) async fn purge(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<PurgeQuery>,
) -> Result<Json<Count>, ApiError> {
    command::admit(&state)?;
    let service = resolve::service(&state, &caller, &reference).await?;
    let phases = match query.status.as_deref() {
        None | Some("all") => vec![Phase::Done, Phase::Failed, Phase::Cancelled],
        Some(text) => vec![phase(text)?],
    };
    let none = Kept {
        age: Duration::ZERO,
        most: 0,
    };
    let mut tasks = 0;
    for phase in phases {
        let now = OffsetDateTime::now_utc();
        tasks += state.purger.purge(service.id, phase, none, now).await?;
    }
    tracing::info!(service = %service.id, by = %caller.actor(), tasks, "tasks.purge");
    Ok(Json(Count { tasks }))
}

/// A phase in which tasks end.
fn phase(text: &str) -> Result<Phase, ApiError> {
    let phase = text.parse().ok().filter(|phase: &Phase| phase.is_ended());
    phase.ok_or_else(|| {
        ApiError::bad_request(
            "`status` must be `done`, `failed` or `cancelled`; to list also `pending`, `running`, `dead` or `all`",
        )
    })
}

/// The task that is meant, if the caller may see it.
fn found(state: &Shared, caller: &Caller, reference: &str) -> Result<Arc<LiveTask>, ApiError> {
    let missing = || {
        ApiError::not_found(format!(
            "there is no task `{reference}`, or it ended long ago: `eai task ls SERVICE` lists what there is"
        ))
    };
    let id: TaskId = reference.parse().map_err(|_| missing())?;
    let task = state.tasks.get(id).ok_or_else(missing)?;
    // What is not the caller's is as good as not there.
    let (id, name) = (task.service.id, &task.service.full_name);
    let thing = Thing::named(&name.account, id.0, name.name.as_str());
    caller.may("task", &thing, missing)?;
    Ok(task)
}

/// The task as it is by now.
fn again(state: &Shared, task: Arc<LiveTask>) -> Arc<LiveTask> {
    state.tasks.get(task.id).unwrap_or(task)
}

fn shown(state: &Shared, task: &LiveTask) -> Document {
    row(task, state.tasks.claim_of(task.id).as_ref())
}

async fn details(state: &Shared, task: &LiveTask) -> Result<Details, ApiError> {
    let details = state.tasks.details(task).await?;
    details.ok_or_else(|| ApiError::not_found(format!("task {} was removed just now", task.id)))
}

async fn whole(state: &Shared, task: &LiveTask) -> Result<Json<Document>, ApiError> {
    let details = details(state, task).await?;
    let taken = state.tasks.claim_of(task.id);
    full(state, task, taken.as_ref(), &details).await.map(Json)
}
