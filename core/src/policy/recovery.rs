//! A service's job that is not there though it is wanted: run again after a pause, and given up after too many failures.

use std::time::Duration;

use time::OffsetDateTime;

use crate::service::{GaveUp, Service, Status};

/// What the platform means to do about a service without a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    None,
    /// Nothing before then.
    Later(OffsetDateTime),
    /// Start a job, or run one again.
    Activate,
    /// Say that it is not tried again.
    GiveUp(GaveUp),
}

/// What a service's state asks for. `usual` is the platform's idle timeout, `limit` how many failures in a row are too many.
pub fn on_failures(
    service: &Service,
    usual: Duration,
    limit: u32,
    now: OffsetDateTime,
) -> Recovery {
    let has_job = service.queue.is_some() || !service.live.is_empty();
    if has_job
        || service.status != Status::On
        || service.desired.is_none()
        || service.gave_up.is_some()
    {
        return Recovery::None;
    }
    match &service.failing {
        Some(failing) if failing.failures >= limit => Recovery::GiveUp(GaveUp::after(failing)),
        Some(failing) if service.is_wanted(usual, now) && now < failing.retry_on => {
            Recovery::Later(failing.retry_on)
        }
        Some(_) if service.is_wanted(usual, now) => Recovery::Activate,
        None if service.terms.keeps_warm() => Recovery::Activate,
        Some(_) | None => Recovery::None,
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
