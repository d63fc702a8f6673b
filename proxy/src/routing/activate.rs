//! Bringing a service to a live job, or a job to life: one command at a time for each, however many requests wait.

use std::sync::Arc;

use eai_core::aggregate::Aggregate as _;
use eai_core::command::Context;
use eai_core::ids::{CommandId, JobId, ServiceId};
use eai_core::log;
use eai_core::log::live::{LiveJob, LiveService};
use eai_core::service::{Activated, ServiceAggregate};
use eai_core::subject::Address;
use eai_core::trace::TraceParent;
use eai_core::turns::Turns;
use time::OffsetDateTime;
use tokio::task::JoinError;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer;
use crate::api::{ApiError, Shared, command};
use crate::ingress::Failure;
use crate::revise;

/// What a request waits for.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// A run.
    Run(Activated),
    /// That the job, which failed, is tried again.
    Later(OffsetDateTime),
}

/// Activates services.
#[derive(Debug)]
pub(super) struct Activator {
    platform: Shared,
    turns: Turns<ServiceId>,
    thaws: Turns<JobId>,
}

// === impl Activator ===

impl Activator {
    pub(super) fn new(platform: Shared) -> Self {
        Self {
            platform,
            turns: Turns::default(),
            thaws: Turns::default(),
        }
    }

    /// The run that serves next: one that is alive, else one that this starts.
    ///
    /// Who waits for his turn finds the run of the one before him, and joins it without a word to the log.
    pub(super) async fn activate(
        &self,
        service: &LiveService,
        trace: Option<TraceParent>,
        deadline: Instant,
    ) -> Result<Next, Failure> {
        let (platform, id, service) = (Arc::clone(&self.platform), service.id, service.clone());
        let activated = Box::pin(async move { activate(&platform, &service, trace).await });
        done(self.turns.take(id, spawned(activated)), deadline).await
    }

    /// Lets a frozen job go on. Who waits for his turn finds it so.
    pub(super) async fn thaw(
        &self,
        job: &LiveJob,
        trace: Option<TraceParent>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let (platform, id, account) = (Arc::clone(&self.platform), job.id, job.account.clone());
        let thawed = async move {
            command::admit(&platform)?;
            let (log, live) = (&platform.log, &platform.live);
            Ok(log.thaw(live, &account, id, &context(trace)).await?)
        };
        done(self.thaws.take(id, spawned(thawed)), deadline).await
    }
}

/// Not dropped with the request that came first: others wait for what it began.
async fn spawned<T: Send + 'static>(
    command: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    tokio::spawn(command).await
}

async fn done<T>(
    command: impl Future<Output = Result<Result<T, ApiError>, JoinError>>,
    deadline: Instant,
) -> Result<T, Failure> {
    match tokio::time::timeout_at(deadline, command).await {
        Ok(Ok(done)) => done.map_err(|error| answer::not_activated(&error)),
        Ok(Err(error)) => {
            tracing::error!(%error, "activate.task");
            Err(Failure::starting(
                "the service could not be started: try again",
            ))
        }
        Err(_) => Err(Failure::starting(
            "the event log did not answer in time: try again",
        )),
    }
}

fn context(traceparent: Option<TraceParent>) -> Context {
    Context {
        traceparent,
        ..Context::platform(CommandId(Uuid::new_v4()), OffsetDateTime::now_utc())
    }
}

async fn activate(
    platform: &Shared,
    service: &LiveService,
    trace: Option<TraceParent>,
) -> Result<Next, ApiError> {
    command::admit(platform)?;
    if service.key.is_none() {
        let row = platform.views.service(service.id).await?;
        let row = row.ok_or_else(|| ApiError::not_found("there is no such service"))?;
        revise::ensure(platform, &row).await?;
    }
    let account = &service.name.account;
    let activated = platform
        .log
        .activate(&platform.live, account, service.id, &context(trace), false)
        .await;
    match activated {
        Ok(run) => Ok(Next::Run(run)),
        Err(log::Error::Refused(refusal)) if refusal.code == "backing-off" => {
            let address = Address::new(account.clone(), ServiceAggregate::KIND, service.id);
            let state = platform.log.state::<ServiceAggregate>(&address).await?;
            let failing = state.and_then(|state| state.failing);
            Ok(Next::Later(
                failing.map_or_else(OffsetDateTime::now_utc, |failing| failing.retry_on),
            ))
        }
        Err(error) => Err(error.into()),
    }
}
