//! Has as many replicas of a service as are wanted: looks at a service when something about it changed or is due, asks
//! the pure policy, and issues the commands that it means.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::activate::job_for;
use super::agenda::Agenda;
use super::controller::{context, switch};
use super::live::{Expected, Live, LiveJob, LiveService};
use super::{Error, Log, PolicyName};
use crate::aggregate::Refusal;
use crate::command::{Context, Part};
use crate::ids::ServiceId;
use crate::policy::{ReplicaIntent, on_replicas};
use crate::service::{self, Command, Draining, Service, ServiceAggregate};
use crate::subject::Address;

/// Has replicas come and go.
#[derive(Debug)]
pub(super) struct Replicator {
    log: Log,
    live: Live,
    drain: Duration,
}

// === impl Replicator ===

impl Replicator {
    pub(super) fn new(log: Log, live: Live, drain: Duration) -> Self {
        Self { log, live, drain }
    }

    /// Runs for ever; safe to end at any moment.
    pub(super) async fn run(&self) {
        let mut agenda = Agenda::new(PolicyName::Replicas, (&self.log, &self.live), may_have_many);
        loop {
            for id in agenda.take() {
                let looked = self.look_at(id).await;
                agenda.looked_at(id, looked);
            }
            if !agenda.wait().await {
                return;
            }
        }
    }

    /// Does what the service asks for; answers when to look again if nothing happens.
    async fn look_at(&self, id: ServiceId) -> Result<Option<Duration>, Error> {
        let Some(live) = self.live.service(id).filter(|live| may_have_many(live)) else {
            return Ok(None);
        };
        let address = Address::new(live.name.account.clone(), "service", id);
        let state = self
            .log
            .state_since::<ServiceAggregate>(&address, live.version);
        let Some(state) = state.await? else {
            return Ok(None);
        };
        for job in self.newcomers(&live) {
            self.take_in(&live, &job).await?;
        }
        let jobs = live.jobs.iter().filter_map(|id| self.live.job(*id));
        let still = jobs.filter(|job| job.frozen && job.still.is_some_and(|still| still.idle));
        let still: Vec<_> = still.map(|job| (job.id, job.run)).collect();
        let now = now();
        let plan = on_replicas(&state, &still, now);
        for intent in plan.intents {
            self.carry_out(&live, &state, intent).await?;
        }
        let again = plan.look_again.map(|at| at - now);
        Ok(again.map(|again| again.try_into().unwrap_or(Duration::ZERO)))
    }

    /// The jobs that answer, and that requests do not go to yet.
    fn newcomers(&self, live: &LiveService) -> Vec<Arc<LiveJob>> {
        let jobs = live.jobs.iter().filter_map(|id| self.live.job(*id));
        let new = jobs.filter(|job| {
            let leaves = live.leaving(job.id, job.run).is_some();
            !leaves && !live.rollout.takes_requests(job.id, job.run) && self.live.is_routable(job)
        });
        new.collect()
    }

    /// One that answers joins the others, or takes the place of those that ended meanwhile.
    async fn take_in(&self, live: &LiveService, job: &LiveJob) -> Result<(), Error> {
        let (id, run) = (job.id, job.run);
        let account = live.name.account.clone();
        let join = Command::Join { job: id, run };
        let part = Part::<ServiceAggregate>::on(account, live.id, join).boxed();
        let context = context(id.0, &format!("join/{run}")).because(job.cause);
        self.log.execute(&context, &[part]).await?;
        switch(&self.log, live.id, job, self.drain).await
    }

    async fn carry_out(
        &self,
        live: &LiveService,
        state: &Service,
        intent: ReplicaIntent,
    ) -> Result<(), Error> {
        let account = &live.name.account;
        match intent {
            ReplicaIntent::Grow => {
                // Meant twice on the same state it is the same job.
                let what = format!("grow/{}/{}", live.version, state.replicas().count());
                let context = context(live.id.0, &what).because(live.cause);
                self.grow(live, &context).await
            }
            ReplicaIntent::Shrink { job, run } => {
                let drain_ms = u64::try_from(self.drain.as_millis()).unwrap_or(u64::MAX);
                let command = Command::Drain(Draining { job, run, drain_ms });
                let part = Part::<ServiceAggregate>::on(account.clone(), live.id, command).boxed();
                let context = context(job.0, &format!("drain/{run}")).because(live.cause);
                self.log.execute(&context, &[part]).await.map(drop)
            }
            ReplicaIntent::Thaw { job } => {
                let heard = self.live.job(job).map_or(0, |job| job.version);
                let context = context(job.0, &format!("thaw/{heard}")).because(live.cause);
                self.log.thaw(&self.live, account, job, &context).await
            }
        }
    }

    /// One more replica, unless there are as many as are wanted by now.
    async fn grow(&self, live: &LiveService, context: &Context) -> Result<(), Error> {
        let account = &live.name.account;
        let address = Address::new(account.clone(), "service", live.id);
        let job = service::Job {
            by_itself: true,
            ..job_for(&self.live, account, live.id, context)?
        };
        let plan = || async {
            let state = self.log.state::<ServiceAggregate>(&address).await?;
            let state = state.ok_or_else(|| Refusal::not_found("there is no such service"))?;
            let (run, parts) = service::grow(account, &state, &job)?;
            self.live.expect(Expected {
                account: account.clone(),
                job: run.job,
                run: run.run,
                submitted: match run.run {
                    0 => Some(state.submitted(&job, None)?),
                    _ => None,
                },
                traceparent: context.traceparent,
            });
            Ok::<_, Error>(parts)
        };
        self.log.settle(context, plan).await.map(drop)
    }
}

/// Whether a service may have more than one job that takes requests, or has though it may not any more.
fn may_have_many(live: &LiveService) -> bool {
    let many = live.demand.terms.replicas.max > 1 || live.jobs.len() > 1;
    live.queue.is_none() && many && !live.jobs.is_empty()
}

#[expect(clippy::disallowed_methods, reason = "a policy acts when it acts")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
