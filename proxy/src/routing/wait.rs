//! Waiting for a job, on the word of events: for it to be ready, for its end, for its service to be stopped.

use std::sync::Arc;
use std::time::Duration;

use eai_core::job::Ended;
use eai_core::log::live::{Live, LiveJob, LiveService, until};
use eai_core::service::Activated;
use tokio::time::{Instant, timeout_at};

/// What came of waiting.
#[derive(Debug)]
pub(super) enum Waited {
    /// It answers.
    Ready(Arc<LiveJob>),
    /// The run ended.
    Ended(Ended),
    /// The service takes no traffic any more.
    Off,
    /// Nothing came in time; how far it is.
    TooLong(Option<Arc<LiveJob>>),
}

/// Waits for a run of a service's job, or for any other of its jobs that is ready first.
pub(super) async fn until_ready(
    live: &Live,
    service: &LiveService,
    run: &Activated,
    deadline: Instant,
) -> Waited {
    let changed = service.changed();
    let waited = until(&changed, || {
        let Some(now) = live.service(service.id).filter(|now| super::is_on(now)) else {
            return Some(Waited::Off);
        };
        if let Some(job) = now.least_loaded(0) {
            return Some(Waited::Ready(Arc::clone(job)));
        }
        let ended = live.job(run.job)?.ended.clone();
        ended
            .filter(|ended| ended.run >= run.run)
            .map(Waited::Ended)
    });
    timeout_at(deadline, waited)
        .await
        .unwrap_or_else(|_| Waited::TooLong(live.job(run.job)))
}

/// Waits until a job that failed may be tried again, or something is another way by then.
pub(super) async fn until_retry(live: &Live, service: &LiveService, left: Duration) {
    let changed = service.changed();
    let other = until(&changed, || {
        let now = live.service(service.id);
        let waits = now
            .is_some_and(|now| super::is_on(&now) && now.jobs.is_empty() && now.key == service.key);
        (!waits).then_some(())
    });
    // Late or not, there is something to be done now.
    drop(tokio::time::timeout(left, other).await);
}

/// Waits for a job by itself.
pub(super) async fn until_job_ready(live: &Live, job: &LiveJob, deadline: Instant) -> Waited {
    let changed = job.changed();
    let waited = until(&changed, || {
        let Some(now) = live.job(job.id) else {
            return Some(Waited::Off);
        };
        if live.is_routable(&now) {
            return Some(Waited::Ready(now));
        }
        let ended = now.ended.clone().filter(|_| !now.phase.is_alive());
        ended.map(Waited::Ended)
    });
    timeout_at(deadline, waited)
        .await
        .unwrap_or_else(|_| Waited::TooLong(live.job(job.id)))
}

/// Waits for the end of a run; none where it goes on.
pub(super) async fn until_end(live: &Live, run: &LiveJob, deadline: Instant) -> Option<Ended> {
    let changed = run.changed();
    let end = until(&changed, || {
        let now = live.job(run.id)?;
        let ended = now.ended.clone();
        // Another run began: this one is over, and how is not known here any more.
        ended.filter(|ended| ended.run >= run.run)
    });
    timeout_at(deadline, end).await.ok()
}

/// Waits until something is known of a job that was not known in `before`; whether anything was.
pub(super) async fn until_news(live: &Live, before: &LiveJob, deadline: Instant) -> bool {
    let changed = before.changed();
    let news = until(&changed, || {
        let same = |now: Arc<LiveJob>| now.version == before.version;
        (!live.job(before.id).is_some_and(same)).then_some(())
    });
    timeout_at(deadline, news).await.is_ok()
}
