//! Tasks on their way in and out: what users send becomes tasks in the log, and what is there becomes
//! `agi.service.task.v1`.
//!
//! The API and the URLs of services share it. Who may do what is decided by its callers.

mod front;
mod input;
mod schema;
mod shape;
mod split;
mod submit;
mod sweep;
mod wait;

pub use front::{QueueService, router as front};
pub(crate) use input::{NewTask, lines};
pub(crate) use shape::{Document, full, logs, row};
pub(crate) use split::split;
pub(crate) use submit::submit;
pub use sweep::run as sweep;
pub(crate) use wait::ended;

use std::sync::Arc;

use eai_core::ids::ServiceId;
use eai_core::log::live::LiveService;
use eai_core::service::Status;

use crate::api::{ApiError, Shared};

/// The schema of a task, outside.
pub(crate) const SCHEMA: &str = "agi.service.task.v1";
/// The longest body with tasks.
pub(crate) const MOST_BODY: usize = 64 << 20;
/// How many tasks one request may carry: they are stored together or not at all.
pub(crate) const MOST_TASKS: usize = 400;
/// The longest wait for a task's end that one request may ask for, in seconds.
pub(crate) const MOST_WAIT: u64 = 60;

/// The service, if it takes tasks.
pub(crate) fn queue_of(state: &Shared, id: ServiceId) -> Result<Arc<LiveService>, ApiError> {
    let service = state.live.service(id);
    let service = service.ok_or_else(|| ApiError::not_found("there is no such service"))?;
    let name = &service.name.name;
    if service.queue.is_none() {
        return Err(ApiError::conflict(
            "not-a-queue",
            format!("service `{name}` has a URL and no queue, so it takes requests and no tasks"),
        ));
    }
    if service.status == Status::Deactivated {
        return Err(ApiError::conflict(
            "service-deactivated",
            format!(
                "service `{name}` is deactivated: `eai service reactivate {name}` brings it back"
            ),
        ));
    }
    Ok(service)
}
