//! `/livez` and `/readyz`, and the gate before everything that needs a platform in order.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use tokio::time::timeout;

use super::{ApiError, Shared};

/// How long the log may take to answer while the platform counts as ready.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// How far the platform is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Coming up.
    Starting,
    /// Serving.
    Ready,
    /// Going down.
    Stopping,
}

/// The process answers.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// The platform serves; if not, why.
pub(crate) async fn ready(State(state): State<Shared>) -> Response {
    match not_ready(&state).await {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// Lets nothing through before the platform is up: what it would answer could be wrong.
pub(crate) async fn gate(State(state): State<Shared>, request: Request, next: Next) -> Response {
    if *state.readiness.borrow() == Readiness::Starting {
        return ApiError::not_ready("the platform is starting: try again").into_response();
    }
    next.run(request).await
}

async fn not_ready(state: &Shared) -> Option<String> {
    match *state.readiness.borrow() {
        Readiness::Starting => return Some("starting".into()),
        Readiness::Stopping => return Some("stopping".into()),
        Readiness::Ready => {}
    }
    if let Some(reason) = state.views.halted() {
        return Some(reason);
    }
    if !state.log.connection().is_up() {
        return Some("the connection to the log is down".into());
    }
    // A server that hangs keeps its connections for minutes: only an answer shows that it works.
    match timeout(ANSWER_TIME, state.log.last_sequence()).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the log does not answer".into()),
    }
}
