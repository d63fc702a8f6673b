//! Credentials of monitors: make, list, revoke. What tells the NATS server of them is behind [`Monitors`].

use std::fmt::Debug;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use eai_core::access::Policy;
use eai_core::account::{Command, MonitorAdded, MonitorRevoked};
use eai_core::digest::Digest;
use eai_core::ids::MonitorId;
use eai_core::log::monitors;
use eai_core::{jws, log};
use eai_projections::MonitorRow;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::at::Seen as _;
use super::extract::{Input, Key, Params, Ref};
use super::list::{List, ListQuery};
use super::openapi::Made;
use super::service::shown;
use super::user::on_account;
use super::{ApiError, Shared, command, resolve};
use crate::auth::Caller;

/// Who may watch the platform's account, as its NATS server is told.
pub trait Monitors: Debug + Send + Sync {
    /// The public key that belongs to a secret.
    fn key(&self, secret: &Digest) -> Result<String, jws::Error>;

    /// The text of the credentials that belong to a secret.
    fn credentials(&self, id: MonitorId, secret: &Digest) -> Result<String, jws::Error>;

    /// Lets those in who are good and keeps all others out, at once. Safe to repeat.
    fn settle(&self) -> BoxFuture<'_, Result<(), NotTold>>;
}

/// Why the server does not know yet who may watch.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotTold(pub String);

/// Credentials as clients see them.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Monitor {
    id: String,
    name: String,
    account: String,
    /// `good` or `revoked`.
    state: &'static str,
    /// Where history is read: this consumer of this stream, by the JetStream API with this prefix.
    api_prefix: &'static str,
    stream: &'static str,
    consumer: String,
    created_on: String,
    created_by: String,
    revoked_on: Option<String>,
    /// The text of a `.creds` file: told once, to whoever made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<String>,
}

/// Credentials to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMonitor {
    name: String,
    account: Option<String>,
}

fn shape(row: MonitorRow, credentials: Option<String>) -> Monitor {
    Monitor {
        id: row.id.to_string(),
        name: row.name.to_string(),
        account: row.account.to_string(),
        state: if row.revoked_on.is_some() {
            "revoked"
        } else {
            "good"
        },
        api_prefix: monitors::API,
        stream: log::STREAM,
        consumer: monitors::consumer(row.id),
        created_on: shown(row.created_on),
        created_by: row.created_by,
        revoked_on: row.revoked_on.map(shown),
        credentials,
    }
}

pub(crate) async fn list(
    State(state): State<Shared>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<List<Monitor>>, ApiError> {
    let page = query.page()?;
    let sight = query.sight(&state).await?;
    let rows = sight.views().monitors(&query.scope(&caller)?, page).await?;
    let shape = |row| shape(row, None);
    Ok(ListQuery::seen(
        &caller,
        rows,
        &page,
        |row| row.sequence,
        shape,
    ))
}

/// Makes credentials. They are never stored: the same command makes the same ones again.
pub(crate) async fn create(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Input(wanted): Input<NewMonitor>,
) -> Result<Made<Monitor>, ApiError> {
    let full_name = resolve::new_name(&caller, &wanted.name, wanted.account.as_deref())?;
    let account = full_name.account.clone();
    if account != state.account {
        return Err(ApiError::bad_request(format!(
            "monitors watch the platform's account `{}`, and no other: name that one",
            state.account
        )));
    }
    // A monitor sees every event of the account.
    let all: Policy = format!("event:get@{account}.*")
        .parse()
        .map_err(|error| ApiError::internal(&error))?;
    caller.may_give(&account, [&all])?;
    let internal = |error| ApiError::internal(&error);
    let secret = state.tokens.secret(id).map_err(internal)?;
    let monitor = MonitorId(id.aggregate(0));
    let added = MonitorAdded {
        id: monitor,
        name: full_name.name.clone(),
        key: state.monitors.key(&secret).map_err(internal)?,
    };
    let part = on_account(&state, &account, Command::AddMonitor(added))?;
    let context = command::context(&caller, id, &headers);
    let outcome = command::execute(&state, &context, &[part]).await?;
    let row = state.views.monitor(monitor).await?;
    let row = row.ok_or_else(|| command::made_nothing(&outcome, id))?;
    command::made_as_asked(id, &account.join(row.name.clone()), &full_name)?;
    if row.revoked_on.is_some() {
        let text = "these credentials were revoked: make others";
        return Err(ApiError::conflict("conflict", text));
    }
    settled(&state).await?;
    let text = state.monitors.credentials(monitor, &secret);
    let text = text.map_err(internal)?;
    Ok(Made(shape(row, Some(text))))
}

/// Cuts off whoever uses the credentials, and keeps it out.
pub(crate) async fn revoke(
    State(state): State<Shared>,
    caller: Caller,
    Key(id): Key,
    headers: HeaderMap,
    Ref(reference): Ref,
) -> Result<Json<Monitor>, ApiError> {
    let row = resolve::monitor(&state, &caller, &reference).await?;
    let monitor = row.id;
    let revoke = Command::RevokeMonitor(MonitorRevoked { id: monitor });
    let part = on_account(&state, &row.account, revoke)?;
    let context = command::essential(command::context(&caller, id, &headers));
    // In a task of its own: a client that goes away does not leave a door open that the log says is closed.
    let with = Arc::clone(&state);
    let task = tokio::spawn(async move {
        command::execute(&with, &context, &[part]).await?;
        settled(&with).await
    });
    task.await.map_err(|error| ApiError::internal(&error))??;
    let row = state.views.monitor(monitor).await?;
    let row = row.ok_or_else(|| ApiError::internal(&"credentials that were revoked are gone"))?;
    Ok(Json(shape(row, None)))
}

async fn settled(state: &Shared) -> Result<(), ApiError> {
    state.monitors.settle().await.map_err(|error| {
        ApiError::not_ready(format!(
            "this is in the log, but the NATS server was not told yet ({error}): send it again with the same command id"
        ))
    })
}
