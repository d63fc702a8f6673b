//! From a request to a command in the log and back, when the views have what it did.

use axum::http::HeaderMap;
use eai_core::command::{AnyPart, Context, Urgency};
use eai_core::ids::CommandId;
use eai_core::log::Outcome;
use eai_core::names::FullName;
use eai_core::trace::TraceParent;
use time::OffsetDateTime;

use super::position::PATIENCE;
use super::{ApiError, Shared};
use crate::auth::Caller;

/// What the events of a request's command say about it.
pub(crate) fn context(caller: &Caller, id: CommandId, headers: &HeaderMap) -> Context {
    let actor = caller.actor();
    Context {
        traceparent: traceparent(headers),
        ..Context::user(id, actor, OffsetDateTime::now_utc())
    }
}

/// Executes, and waits until the views have the outcome.
pub(crate) async fn execute(
    state: &Shared,
    context: &Context,
    parts: &[Box<dyn AnyPart>],
) -> Result<Outcome, ApiError> {
    admit(state)?;
    let outcome = state.log.execute(context, parts).await?;
    seen(state, &outcome).await?;
    Ok(outcome)
}

/// Executes what is planned on the state of the moment, and waits until the views have the outcome.
pub(crate) async fn settle<F>(
    state: &Shared,
    context: &Context,
    plan: impl FnMut() -> F,
) -> Result<Outcome, ApiError>
where
    F: Future<Output = Result<Vec<Box<dyn AnyPart>>, ApiError>>,
{
    admit(state)?;
    let outcome = state.log.settle(context, plan).await?;
    seen(state, &outcome).await?;
    Ok(outcome)
}

/// Waits until everyone who is asked next knows of a command.
pub(crate) async fn seen(state: &Shared, outcome: &Outcome) -> Result<(), ApiError> {
    state.views.until(outcome.sequence, PATIENCE).await?;
    // The next request to a URL meets what this one changed.
    state.live.until(outcome.sequence, PATIENCE).await;
    Ok(())
}

/// Refuses every command where the log is damaged: what is decided on it could be wrong.
pub(crate) fn admit(state: &Shared) -> Result<(), ApiError> {
    match state.views.halted() {
        None => Ok(()),
        Some(reason) => Err(eai_projections::Error::Halted { reason }.into()),
    }
}

/// Why a command that was executed did not make what it should have.
pub(crate) fn made_nothing(outcome: &Outcome, id: CommandId) -> ApiError {
    if outcome.repeated {
        let text = format!("command id {id} was used to make something else: choose a new one");
        ApiError::command_id_reused(text)
    } else {
        ApiError::internal(&format!("command {id} made nothing that the views have"))
    }
}

/// Refuses a command id that was used before to make something of another name.
pub(crate) fn made_as_asked(
    id: CommandId,
    made: &FullName,
    asked: &FullName,
) -> Result<(), ApiError> {
    if made == asked {
        return Ok(());
    }
    Err(ApiError::command_id_reused(format!(
        "command id {id} was used to make `{made}`: choose a new one"
    )))
}

/// Stops and deactivations may use the log's reserve.
pub(crate) fn essential(context: Context) -> Context {
    Context {
        urgency: Urgency::Essential,
        ..context
    }
}

/// The trace context of a request: only what is well formed goes into an event.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}
