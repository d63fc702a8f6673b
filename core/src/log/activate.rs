//! Bringing a service to a live job: the one command that a first request, a start and a policy share.

use std::sync::{Mutex, PoisonError};

use super::live::{Expected, Live};
use super::{Error, Log};
use crate::aggregate::Refusal;
use crate::command::{AnyPart, Context};
use crate::envelope::Actor;
use crate::ids::{JobId, ServiceId};
use crate::job::{self, JobAggregate};
use crate::names::AccountName;
use crate::service::{self, Activated, ServiceAggregate};
use crate::subject::Address;

impl Log {
    /// Joins the service's live job, thawing it, runs one again, or makes a new one; answers which run it is.
    ///
    /// Any number of callers at once, in any number of processes, lead to one run. `by_itself` says that nobody asks for
    /// it but the platform itself; who does has a frozen job go on.
    pub async fn activate(
        &self,
        live: &Live,
        account: &AccountName,
        service: ServiceId,
        context: &Context,
        by_itself: bool,
    ) -> Result<Activated, Error> {
        let address = Address::new(account.clone(), "service", service);
        let job = service::Job {
            by_itself,
            ..job_for(live, account, service, context)?
        };
        let activated = Mutex::new(None);
        let plan = || async {
            let state = self.state::<ServiceAggregate>(&address).await?;
            let state = state.ok_or_else(|| Refusal::not_found("there is no such service"))?;
            let (run, mut parts) = service::activate(account, &state, &job)?;
            if parts.is_empty() && !by_itself {
                parts = self.thawing(live, account, run.job).await?;
            } else if !parts.is_empty() {
                live.expect(Expected {
                    account: account.clone(),
                    job: run.job,
                    run: run.run,
                    submitted: match run.run {
                        0 => Some(state.submitted(&job, None)?),
                        _ => None,
                    },
                    traceparent: context.traceparent,
                });
            }
            *activated.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
            Ok::<_, Error>(parts)
        };
        self.settle(context, plan).await?;
        let activated = activated.into_inner();
        activated
            .unwrap_or_else(PoisonError::into_inner)
            .ok_or_else(|| Refusal::internal("an activation led to nothing").into())
    }

    /// Lets a job go on, if it is frozen. Any number of callers at once lead to one event.
    pub async fn thaw(
        &self,
        live: &Live,
        account: &AccountName,
        job: JobId,
        context: &Context,
    ) -> Result<(), Error> {
        let plan = || self.thawing(live, account, job);
        self.settle(context, plan).await.map(drop)
    }

    async fn thawing(
        &self,
        live: &Live,
        account: &AccountName,
        id: JobId,
    ) -> Result<Vec<Box<dyn AnyPart>>, Error> {
        let address = Address::new(account.clone(), "job", id);
        let heard = live.job(id).map_or(0, |job| job.version);
        match self.state_since::<JobAggregate>(&address, heard).await? {
            Some(job) if job.frozen => Ok(job::thaw(account, &job)?),
            Some(_) | None => Ok(Vec::new()),
        }
    }
}

/// What a new job of a service would be made from, asked for by this command.
pub(super) fn job_for(
    live: &Live,
    account: &AccountName,
    service: ServiceId,
    context: &Context,
) -> Result<service::Job, Error> {
    let owner = live
        .service(service)
        .map(|service| service.created_by.clone());
    let user = match owner.as_deref().map(str::parse::<Actor>) {
        Some(Ok(Actor::User(user))) => Some(user),
        _ => None,
    };
    let account_id = live
        .account(account)
        .ok_or_else(|| Refusal::internal(format!("account `{account}` is not known yet")))?;
    Ok(service::Job {
        id: JobId(context.id.aggregate(0)),
        account_id,
        user,
        by_itself: false,
        now: context.time,
    })
}
