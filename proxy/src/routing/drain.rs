//! Runs that requests were moved away from: no more are sent there, those that are there end by themselves or at the
//! deadline, and the log is told.
//!
//! Counted are the requests of this process; what a run has of others, they tell.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use eai_core::command::{Context, Part};
use eai_core::ids::{CommandId, JobId, ServiceId};
use eai_core::log::live::{Change, LiveJob, LiveLeaving, LiveService};
use eai_core::service::{Command, Drained, ServiceAggregate};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::api::Shared;

/// How long requests that have to end may take for it.
const END: Duration = Duration::from_secs(2);
/// How long after a failure the log is told again.
const PAUSE: Duration = Duration::from_secs(1);

/// Sees to all runs that leave, for ever; safe to end at any moment.
pub async fn drain(platform: Shared) -> Infallible {
    let mut changes = platform.live.changes();
    let mut seen = HashSet::new();
    let mut tasks = JoinSet::new();
    let services = platform.live.services();
    let mut due: Vec<_> = services.iter().map(|service| service.id).collect();
    loop {
        for id in due.drain(..) {
            for (service, leaving) in leaving(&platform, id) {
                let run = (leaving.job, leaving.run);
                if seen.insert(run) {
                    let platform = Arc::clone(&platform);
                    tasks.spawn(async move {
                        see_off(&platform, &service, leaving).await;
                        run
                    });
                }
            }
        }
        tokio::select! {
            Some(done) = tasks.join_next() => {
                if let Ok(run) = done {
                    seen.remove(&run);
                }
            }
            change = changes.recv() => match change {
                Ok(Change::Service(id)) => due.push(id),
                Ok(Change::Job(_) | Change::Executor(_)) => {}
                Err(RecvError::Lagged(_)) => {
                    due = platform.live.services().iter().map(|service| service.id).collect();
                }
                Err(RecvError::Closed) => std::future::pending().await,
            },
        }
    }
}

/// The runs of a service that leave and of which nothing was told yet.
fn leaving(platform: &Shared, id: ServiceId) -> Vec<(Arc<LiveService>, LiveLeaving)> {
    let Some(service) = platform.live.service(id) else {
        return Vec::new();
    };
    let leaving = service.rollout.leaving.iter();
    let leaving = leaving.filter(|run| !run.done).copied();
    leaving.map(|run| (Arc::clone(&service), run)).collect()
}

/// Waits until a run has nothing in flight, or ends what there is at the deadline; then tells the log.
async fn see_off(platform: &Shared, service: &LiveService, leaving: LiveLeaving) {
    let (id, run) = (leaving.job, leaving.run);
    let job = platform.live.job(id).filter(|job| job.run == run);
    let cut = match job {
        Some(job) => until_quiet(&job, leaving.until).await,
        None => 0,
    };
    let account = &service.name.account;
    let drained = Drained {
        job: id,
        run,
        cut: cut as u64,
    };
    tracing::debug!(job = %id, run, cut, "drain.done");
    let part = Part::<ServiceAggregate>::on(account.clone(), service.id, Command::Drained(drained));
    let parts = [part.boxed()];
    let context = context(id, run);
    loop {
        match platform.log.execute(&context, &parts).await {
            Ok(_) | Err(eai_core::log::Error::Refused(_)) => return,
            Err(error) => tracing::warn!(%error, job = %id, "drain.untold"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How many requests had to be ended.
async fn until_quiet(job: &LiveJob, until: OffsetDateTime) -> usize {
    let left = (until - OffsetDateTime::now_utc()).max(time::Duration::ZERO);
    let left = left.try_into().unwrap_or(Duration::ZERO);
    let flights = &job.flights;
    if tokio::time::timeout(left, flights.quiet()).await.is_ok() {
        return 0;
    }
    let cut = flights.count();
    flights.end();
    // What does not end now ends with the run.
    if tokio::time::timeout(END, flights.quiet()).await.is_err() {
        tracing::info!(job = %job.id, left = flights.count(), "drain.cut");
    }
    cut
}

/// The same for the same run: what is told twice happens once.
fn context(job: JobId, run: u32) -> Context {
    let id = Uuid::new_v5(&job.0, format!("drained/{run}").as_bytes());
    Context::platform(CommandId(id), OffsetDateTime::now_utc())
}
