//! `/metrics`: the health of queues for those who may see them, and the platform itself for those who may see that.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use eai_core::access::Thing;
use eai_core::health::{Measured, Sla, prometheus};

use super::{ApiError, Shared};
use crate::auth::Caller;
use crate::metrics::scrape;

/// The media type of the text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn metrics(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<impl IntoResponse, ApiError> {
    let mut page = prometheus(&queues(&state, &caller));
    if caller.may_here(&state.account).is_ok() {
        let own = scrape(&state).await;
        page.push_str(&own.map_err(|error| ApiError::internal(&error))?);
    }
    Ok(([(header::CONTENT_TYPE, PROMETHEUS)], page))
}

/// The gauges of every queue that the caller may see.
fn queues(state: &Shared, caller: &Caller) -> Vec<Measured> {
    let services = state.live.services().into_iter();
    let mut measured: Vec<_> = services
        .filter(|service| {
            let name = &service.name;
            let thing = Thing::named(&name.account, service.id.0, name.name.as_str());
            caller.allows("service", "get", &thing)
        })
        .filter_map(|service| {
            Some(Measured {
                labels: vec![("account", service.name.account.to_string())],
                health: state.queues.facts(service.id)?.health(),
                sla: Sla::default(),
            })
        })
        .collect();
    measured.sort_by(|one, other| one.health.app.cmp(&other.health.app));
    measured
}
