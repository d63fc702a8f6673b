//! Services: make, list, get, deactivate, reactivate, delete.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::command::Part;
use eai_core::ids::{CommandId, ServiceId};
use eai_core::names::FullName;
use eai_core::service::{
    self, Command, New, Owned, Queue, Replicas, Resource, ServiceAggregate, Status, Terms,
};
use eai_core::subject::Address;
use eai_projections::ServiceRow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::at::{AtQuery, Seen as _, Sight};
use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery};
use super::openapi::Made;
use super::role_holders::may_give;
use super::things::IsThing as _;
use super::verbs::verbs;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;

/// A service as clients see it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Service {
    id: String,
    name: String,
    full_name: String,
    account: String,
    role: String,
    runtime: String,
    status: String,
    /// The newest revision, the one that requests go to, and what is between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serving_revision: Option<u32>,
    rollout: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout_reason: Option<String>,
    public: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Queue>,
    /// As the platform says where it is null.
    idle_timeout_ms: Option<u64>,
    min_ready: u32,
    /// Where it may have more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<ShownReplicas>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    /// Why it is in `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    access_url: String,
    created_on: String,
    created_by: String,
    updated_on: String,
}

/// How many replicas a service has.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownReplicas {
    min: u32,
    max: u32,
    /// How many there are to be while it is awake.
    wanted: u32,
    /// How many take requests now; absent where something else than now is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<usize>,
}

/// Between how many replicas a service has.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    pub(super) min: u32,
    pub(super) max: u32,
}

/// A service to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewService {
    name: String,
    account: Option<String>,
    runtime: Option<String>,
    role: Option<String>,
    #[serde(default)]
    public: bool,
    /// Its front end is a queue.
    queue: Option<Queue>,
    /// How long its job is kept that nobody asks for.
    idle_timeout_ms: Option<u64>,
    /// How many jobs are kept though nobody asks.
    #[serde(default)]
    min_ready: u32,
    /// How many replicas it has.
    replicas: Option<Range>,
    /// How many requests each of them is meant for at a time.
    concurrency: Option<u32>,
}

/// Times as clients see them: to the second.
pub(crate) fn shown(time: OffsetDateTime) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

impl Service {
    /// Its status, and why where that is not as it was asked for.
    pub(super) fn status(self) -> (String, Option<String>) {
        (self.status, self.reason.or(self.rollout_reason))
    }
}

pub(super) fn shape(state: &Shared, row: ServiceRow) -> Service {
    let (rollout, rollout_reason) = super::revision::rollout(&row);
    let replicas = row.terms.replicas;
    let many = Some(replicas).filter(|replicas| !replicas.is_usual());
    let ready = |id| state.live.service(id).map_or(0, |live| live.ready());
    // One that is off is not tried either way.
    let reason = row.gave_up.filter(|_| row.status == Status::On);
    Service {
        id: row.id.to_string(),
        full_name: row.account.join(row.name.clone()).to_string(),
        name: row.name.to_string(),
        account: row.account.to_string(),
        role: row.role,
        runtime: row.runtime,
        status: match reason {
            Some(_) => "error".into(),
            None => row.status.to_string(),
        },
        revision: row.revision,
        serving_revision: row.serving_revision,
        rollout,
        rollout_reason,
        public: row.public,
        queue: row.queue,
        idle_timeout_ms: row.terms.idle_timeout_ms,
        min_ready: row.terms.min_ready,
        replicas: many.map(|replicas| ShownReplicas {
            min: replicas.min,
            max: replicas.max,
            wanted: replicas.wanted(row.asked),
            ready: Some(ready(row.id)),
        }),
        concurrency: many.map(|replicas| replicas.concurrency),
        reason,
        access_url: state.urls.service(row.id),
        created_on: shown(row.created_on),
        created_by: row.created_by,
        updated_on: shown(row.updated_on),
    }
}

/// The same at a moment, of which memory knows nothing if it is over.
fn shape_at(state: &Shared, sight: &Sight, row: ServiceRow) -> Service {
    let mut service = shape(state, row);
    if let (Sight::Then(_), Some(replicas)) = (sight, &mut service.replicas) {
        replicas.ready = None;
    }
    service
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Service>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight.views().services(&query.scope(&caller)?, page).await?;
    Ok(ListQuery::seen(
        &caller,
        rows,
        &page,
        |row| row.sequence,
        |row| shape_at(&state, &sight, row),
    ))
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<AtQuery>,
) -> Result<Json<Service>, ApiError> {
    let sight = Sight::of(&state, query.at.as_deref()).await?;
    let row = resolve::service(&sight, &caller, &reference).await?;
    Ok(Json(shape_at(&state, &sight, row)))
}

pub(crate) async fn create(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Input(wanted): Input<NewService>,
) -> Result<Made<Service>, ApiError> {
    let full_name = resolve::new_name(&caller, &wanted.name, wanted.account.as_deref())?;
    let left = state.views.left_by(&full_name).await?;
    let runtime = match &wanted.runtime {
        None => left_or_made(
            left.as_ref().map(|left| &left.runtime),
            &full_name,
            "_runtime",
        ),
        Some(reference) => {
            let row = resolve::data(&state, &caller, reference).await?;
            // What its jobs see, whoever asks them sees.
            caller.must("data", "read", &row.thing())?;
            Owned::Existing(Resource {
                id: row.id,
                full_name: row.account.join(row.name),
            })
        }
    };
    let role = match &wanted.role {
        None => {
            if let Some(left) = &left
                && let Some(row) = state.views.role(left.role.0).await?
            {
                may_give(&caller, &row)?;
            }
            left_or_made(left.as_ref().map(|left| &left.role), &full_name, "_role")
        }
        Some(reference) => {
            let row = resolve::role(&state, &caller, reference).await?;
            may_give(&caller, &row)?;
            Owned::Existing(Resource {
                id: row.id,
                full_name: row.account.join(row.name),
            })
        }
    };
    let parts = service::create(
        id,
        New {
            full_name: full_name.clone(),
            runtime,
            role,
            public: wanted.public,
            queue: wanted.queue,
            terms: Terms {
                idle_timeout_ms: wanted.idle_timeout_ms.filter(|time| *time > 0),
                min_ready: wanted.min_ready,
                replicas: replicas(wanted.replicas, wanted.concurrency),
            },
        },
    )?;
    let context = command::context(&caller, id, &headers);
    let outcome = command::execute(&state, &context, &parts).await?;
    let row = state.views.service(ServiceId(id.aggregate(0))).await?;
    let row = row.ok_or_else(|| command::made_nothing(&outcome, id))?;
    command::made_as_asked(id, &row.account.join(row.name.clone()), &full_name)?;
    let row = if outcome.repeated {
        as_of(&state, row, outcome.sequence).await?
    } else {
        row
    };
    Ok(Made(shape(&state, row)))
}

/// What is not said is as usual.
fn replicas(range: Option<Range>, concurrency: Option<u32>) -> Replicas {
    let usual = Replicas::default();
    Replicas {
        min: range.map_or(usual.min, |range| range.min),
        max: range.map_or(usual.max, |range| range.max),
        concurrency: concurrency.unwrap_or(usual.concurrency),
    }
}

/// What comes with a service is made with it, unless a deleted one of the same name left it.
fn left_or_made<Id: Copy>(
    left: Option<&(Id, FullName)>,
    service: &FullName,
    suffix: &str,
) -> Owned<Id> {
    let own = format!("{service}{suffix}");
    match left.filter(|(_, full_name)| full_name.to_string() == own) {
        Some((id, full_name)) => Owned::Existing(Resource {
            id: *id,
            full_name: full_name.clone(),
        }),
        None => Owned::Made,
    }
}

/// The row as it was when the log was at `sequence`: a retried command answers its first result.
async fn as_of(state: &Shared, row: ServiceRow, sequence: u64) -> Result<ServiceRow, ApiError> {
    let address = Address::new(row.account.clone(), "service", row.id);
    let (folded, time) = state
        .log
        .fold::<ServiceAggregate>(&address, sequence)
        .await?;
    Ok(match (folded, time) {
        (Some(service), Some(updated_on)) => ServiceRow {
            status: service.status,
            queue: service.queue,
            terms: service.terms,
            asked: service.fleet.asked,
            gave_up: service.gave_up.map(|gave_up| gave_up.told().to_owned()),
            updated_on,
            ..row
        },
        _ => row,
    })
}

/// Gives a command to a service, and shows what it is then.
pub(super) async fn change(
    state: Shared,
    caller: Caller,
    id: CommandId,
    headers: HeaderMap,
    reference: String,
    command: Command,
) -> Result<Json<Service>, ApiError> {
    let row = resolve::service(&state, &caller, &reference).await?;
    let mut context = command::context(&caller, id, &headers);
    if matches!(
        command,
        Command::Stop | Command::StopWorkers(_) | Command::Deactivate
    ) {
        context = command::essential(context);
    }
    let part = Part::<ServiceAggregate>::on(row.account.clone(), row.id, command).boxed();
    let outcome = command::execute(&state, &context, &[part]).await?;
    let row = resolve::service(&state, &caller, &row.id.to_string()).await?;
    let row = if outcome.repeated {
        as_of(&state, row, outcome.sequence).await?
    } else {
        row
    };
    Ok(Json(shape(&state, row)))
}

/// Takes a service away, whatever it is at; answers what it was.
pub(crate) async fn delete(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Service>, ApiError> {
    let row = resolve::service(&state, &caller, &reference).await?;
    let context = command::essential(command::context(&caller, id, &headers));
    let address = Address::new(row.account.clone(), "service", row.id);
    let plan = || async {
        let service = state.log.state::<ServiceAggregate>(&address).await?;
        let service = service.ok_or_else(|| ApiError::not_found("there is no such service"))?;
        Ok::<_, ApiError>(service::delete(&row.account, &service))
    };
    command::settle(&state, &context, plan).await?;
    let gone = ServiceRow {
        status: Status::Deleted,
        serving_revision: None,
        is_leaving: false,
        failed: None,
        gave_up: None,
        ..row
    };
    Ok(Json(shape(&state, gone)))
}

verbs! {
    Service:
    deactivate Deactivate,
    reactivate Reactivate,
}
