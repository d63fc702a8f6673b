//! Jobs: list, get, kill, freeze, thaw.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::aggregate::Refusal;
use eai_core::command::{AnyPart, Context};
use eai_core::ids::JobId;
use eai_core::job::{self, JobAggregate, Phase, Phases};
use eai_core::log;
use eai_core::names::AccountName;
use eai_core::spec::{Resources, Spec};
use eai_core::subject::Address;
use eai_projections::{JobRow, RunRow};
use schemars::JsonSchema;
use serde::Serialize;

use super::at::{AtQuery, Seen, Sight};
use super::extract::{Key, Params, Ref};
use super::job_filter::JobQuery;
use super::list::{List, ListQuery};
use super::service::shown;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;

/// Why a user's kill ends a run.
const KILLED: &str = "killed";
/// Why a user's freeze holds a run still.
const ASKED: &str = "asked";

/// A job as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row has a field for each thing that clients ask for"
)]
pub(crate) struct Job {
    id: String,
    state: Phase,
    name: Option<String>,
    account: String,
    creator: String,
    created: String,
    command: Vec<String>,
    image: String,
    resources: Resources,
    service: Option<String>,
    service_id: Option<String>,
    revision: Option<u32>,
    alive: bool,
    ready: bool,
    frozen: bool,
    state_info: String,
    access_url: String,
    backend: Option<String>,
    image_ignored: bool,
    created_on: String,
    updated_on: String,
    run: u32,
    runs: Vec<Run>,
    /// Only where one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec: Option<Spec>,
}

/// One run of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Run {
    #[serde(rename = "run")]
    number: u32,
    state: Phase,
    /// The one that it ran with.
    image: Option<String>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    reason: Option<String>,
    message: Option<String>,
    created_on: String,
    queued_on: Option<String>,
    started_on: Option<String>,
    ready_on: Option<String>,
    cancel_requested_on: Option<String>,
    ended_on: Option<String>,
    /// In microseconds.
    phases: Option<Phases>,
}

fn shape(state: &Shared, row: JobRow, runs: Vec<RunRow>, spec: Option<Spec>) -> Job {
    let alive = row.state.is_alive();
    let runtime = row.spec.runtime;
    Job {
        access_url: if alive {
            state.urls.job(row.id)
        } else {
            String::new()
        },
        id: row.id.to_string(),
        state: row.state,
        name: row.name.map(|name| name.to_string()),
        account: row.account.to_string(),
        creator: row.created_by,
        created: shown(row.created_on),
        command: {
            let arguments = runtime.command.arguments().iter();
            arguments.map(ToString::to_string).collect()
        },
        image: runtime.image.to_string(),
        resources: row.spec.resources,
        service: row.service,
        service_id: row.service_id.map(|id| id.to_string()),
        revision: row.revision,
        alive,
        ready: row.ready,
        frozen: row.frozen,
        state_info: row.state_info,
        backend: row.backend,
        image_ignored: row.image_ignored,
        created_on: shown(row.created_on),
        updated_on: shown(row.updated_on),
        run: row.run,
        runs: runs.into_iter().map(Run::from).collect(),
        spec,
    }
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            number: row.run,
            state: row.state,
            image: row.image,
            exit_code: row.exit_code,
            signal: row.signal,
            reason: row.reason,
            message: row.message,
            created_on: shown(row.created_on),
            queued_on: row.queued_on.map(shown),
            started_on: row.started_on.map(shown),
            ready_on: row.ready_on.map(shown),
            cancel_requested_on: row.cancel_requested_on.map(shown),
            ended_on: row.ended_on.map(shown),
            phases: row.phases,
        }
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<JobQuery>,
) -> Result<Json<List<Job>>, ApiError> {
    let common = query.list();
    let (scope, page) = (common.scope(&caller)?, common.page()?);
    let sight = query.sight(&state).await?;
    let filter = query.filter(&sight, &caller, sight.time()).await?;
    let rows = sight.views().jobs(&scope, &filter, page).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let mut runs = sight.views().last_runs(&ids).await?;
    Ok(ListQuery::seen(
        &caller,
        rows,
        &page,
        |row| row.sequence,
        |row| {
            let last = runs.remove(&row.id).into_iter().collect();
            shape(&state, row, last, None)
        },
    ))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<AtQuery>,
) -> Result<Json<Job>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    let row = resolve::job(&sight, &caller, &reference).await?;
    whole(&state, &sight, row).await
}

async fn whole(state: &Shared, seen: &impl Seen, row: JobRow) -> Result<Json<Job>, ApiError> {
    let runs = seen.views().runs(row.id).await?;
    let spec = Some(row.spec.clone());
    Ok(Json(shape(state, row, runs, spec)))
}

/// Asks the current run to end; answers once that is stored.
pub(crate) async fn kill(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Job>, ApiError> {
    let row = resolve::job(&state, &caller, &reference).await?;
    let context = command::essential(command::context(&caller, id, &headers));
    let address = Address::new(row.account.clone(), "job", row.id);
    let plan = async || {
        let job = state.log.state::<JobAggregate>(&address).await?;
        let job = job.ok_or_else(|| Refusal::not_found("there is no such job"))?;
        Ok::<_, log::Error>(job::cancel(&row.account, &job, job.run, KILLED)?)
    };
    command::admit(&state)?;
    match state.log.settle(&context, plan).await {
        Ok(outcome) => command::seen(&state, &outcome).await?,
        // The first try met a run that nobody had claimed and ended it; that is what was asked for.
        Err(log::Error::CommandIdReused(_)) if ended_by_kill(&state, row.id).await? => {}
        Err(error) => return Err(error.into()),
    }
    let row = resolve::job(&state, &caller, &row.id.to_string()).await?;
    whole(&state, &state, row).await
}

/// Holds the current run still; answers once that is stored.
pub(crate) async fn freeze(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Job>, ApiError> {
    let context = command::context(&caller, id, &headers);
    let plan = |account: &AccountName, job: &job::Job| job::freeze(account, job, ASKED);
    change(&state, &caller, &reference, &context, plan).await
}

/// Lets the current run go on; answers once that is stored.
pub(crate) async fn thaw(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Job>, ApiError> {
    let context = command::context(&caller, id, &headers);
    change(&state, &caller, &reference, &context, job::thaw).await
}

/// Executes what is planned on the job as it is.
async fn change(
    state: &Shared,
    caller: &Caller,
    reference: &str,
    context: &Context,
    parts: impl Fn(&AccountName, &job::Job) -> Result<Vec<Box<dyn AnyPart>>, Refusal>,
) -> Result<Json<Job>, ApiError> {
    let row = resolve::job(state, caller, reference).await?;
    let address = Address::new(row.account.clone(), "job", row.id);
    let plan = async || {
        let job = state.log.state::<JobAggregate>(&address).await?;
        let job = job.ok_or_else(|| Refusal::not_found("there is no such job"))?;
        Ok(parts(&row.account, &job)?)
    };
    command::settle(state, context, plan).await?;
    let row = resolve::job(state, caller, &row.id.to_string()).await?;
    whole(state, state, row).await
}

async fn ended_by_kill(state: &Shared, id: JobId) -> Result<bool, ApiError> {
    let runs = state.views.runs(id).await?;
    Ok(runs
        .last()
        .is_some_and(|run| run.state == Phase::Cancelled && run.reason.as_deref() == Some(KILLED)))
}
