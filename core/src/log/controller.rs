//! Carries out the policies: looks at what changed, asks the pure functions, and issues the commands they mean.
//!
//! Commands have ids made from what they are about, so that meaning the same twice, also after a restart,
//! does it once.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::keeper::Keeper;
use super::letters::Letters;
use super::live::{Change, Live, LiveJob};
use super::queues::Queues;
use super::replicator::Replicator;
use super::roller::Roller;
use super::upkeep::{Upkeep, Usual};
use super::watcher::Watcher;
use super::{Beats, Error, Log, PolicyName};
use crate::aggregate::Refusal;
use crate::command::{Context, Part};
use crate::ids::{CommandId, JobId, ServiceId};
use crate::job::{self, Ended, JobAggregate, Outcome};
use crate::lease::Terms;
use crate::names::AccountName;
use crate::policy::{self, Intent};
use crate::service::{Command, ServiceAggregate, Switched};
use crate::subject::Address;

/// How long after a failure what was meant is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Carries out policies.
#[derive(Debug)]
pub struct Controller {
    log: Log,
    live: Live,
    watcher: Watcher,
    keeper: Keeper,
    letters: Letters,
    replicator: Replicator,
    roller: Roller,
    upkeep: Upkeep,
    drain: Duration,
}

/// What holds for every service.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// Where it says nothing else.
    pub usual: Usual,
    /// How long runs that requests were moved away from may go on with those they have.
    pub drain: Duration,
}

impl Controller {
    /// Policies over everything that is alive; `beats` are listened to elsewhere.
    pub fn new(
        log: Log,
        live: Live,
        beats: Beats,
        terms: Terms,
        queues: Queues,
        Policies { usual, drain }: Policies,
    ) -> Self {
        let watcher = Watcher::new(log.clone(), live.clone(), beats, terms);
        let letters = Letters::new(log.clone(), queues.tasks().clone());
        let keeper = Keeper::new(log.clone(), live.clone(), queues);
        let replicator = Replicator::new(log.clone(), live.clone(), drain);
        let roller = Roller::new(log.clone(), live.clone(), drain);
        let upkeep = Upkeep::new(log.clone(), live.clone(), usual);
        Self {
            log,
            live,
            watcher,
            keeper,
            letters,
            replicator,
            roller,
            upkeep,
            drain,
        }
    }

    /// Runs for ever; safe to end at any moment.
    pub async fn run(self) {
        tokio::select! {
            () = self.follow() => {}
            () = self.keeper.run() => {}
            () = self.letters.run() => {}
            () = self.replicator.run() => {}
            () = self.roller.run() => {}
            () = self.upkeep.run() => {}
            never = self.watcher.run() => match never {},
        }
    }

    async fn follow(&self) {
        let mut changes = self.live.changes();
        let mut due = self.everything();
        loop {
            let mut failed = Vec::new();
            for change in due.drain(..) {
                if let Err(error) = self.look_at(change).await {
                    tracing::warn!(%error, ?change, "policy.failed");
                    self.log.meters().failed();
                    failed.push(change);
                }
            }
            let meters = self.log.meters();
            meters.set_stuck(PolicyName::Routes, failed.len());
            let change = tokio::select! {
                change = changes.recv() => change,
                () = tokio::time::sleep(PAUSE), if !failed.is_empty() => {
                    due = failed;
                    continue;
                }
            };
            due = failed;
            match change {
                Ok(change) => due.push(change),
                Err(RecvError::Lagged(_)) => due = self.everything(),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn everything(&self) -> Vec<Change> {
        let jobs = self.live.jobs().into_iter().map(|job| Change::Job(job.id));
        let services = self.live.services().into_iter();
        jobs.chain(services.map(|service| Change::Service(service.id)))
            .collect()
    }

    /// A refusal says that the state moved on, and the change that moved it brings the policy back.
    async fn look_at(&self, change: Change) -> Result<(), Error> {
        let looked = match change {
            Change::Service(id) => self.look_at_service(id).await,
            Change::Job(id) => self.look_at_job(id).await,
            // What it means for its runs is told with each of them.
            Change::Executor(_) => Ok(()),
        };
        match looked {
            Err(Error::Refused(refusal)) => {
                tracing::debug!(%refusal, "policy.refused");
                Ok(())
            }
            looked => looked,
        }
    }

    /// Requests go to a job of the newest revision as soon as it answers; a run that nobody has any more is over.
    async fn look_at_job(&self, id: JobId) -> Result<(), Error> {
        let Some(job) = self.live.job(id) else {
            return Ok(());
        };
        if self.live.is_abandoned(&job) {
            return self.interrupt(&job).await;
        }
        let takes_requests = job.worker.is_none() && self.live.is_routable(&job);
        let (Some(service), true) = (job.service, takes_requests) else {
            return Ok(());
        };
        switch(&self.log, service, &job, self.drain).await
    }

    /// Ends a run whose executor was lost, under the claim that it had.
    async fn interrupt(&self, live: &LiveJob) -> Result<(), Error> {
        let Some(claim) = live.claim else {
            return Ok(());
        };
        let ended = Ended {
            run: live.run,
            claim: Some(claim.claim),
            state: Outcome::Interrupted,
            reason: "executor-lost".into(),
            message: "nothing was heard of its executor any more".into(),
            exit_code: None,
            signal: None,
        };
        let address = Address::new(live.account.clone(), "job", live.id);
        let what = format!("lost/{}/{}", live.run, claim.claim);
        let context = context(live.id.0, &what).because(live.cause);
        let plan = || async {
            let job = self
                .log
                .state_since::<JobAggregate>(&address, live.version)
                .await?;
            let job = job.ok_or_else(|| Refusal::not_found("there is no such job"))?;
            let held = job.claim.as_ref().map(|held| (held.run, held.claim));
            if held != Some((live.run, claim.claim)) {
                return Err(Refusal::conflict("job-ended", "the run ended already").into());
            }
            Ok::<_, Error>(job::end(
                &live.account,
                &job,
                ended.clone(),
                (context.time, false),
            ))
        };
        self.log.settle(&context, plan).await.map(drop)
    }

    async fn look_at_service(&self, id: ServiceId) -> Result<(), Error> {
        let Some(service) = self.live.service(id) else {
            return Ok(());
        };
        let account = &service.name.account;
        let address = Address::new(account.clone(), "service", id);
        let state = self
            .log
            .state_since::<ServiceAggregate>(&address, service.version);
        let Some(state) = state.await? else {
            return Ok(());
        };
        for intent in policy::on_service(&state) {
            if let Intent::Cancel { job, run, reason } = intent {
                let context = context(job.0, &format!("cancel/{run}")).because(service.cause);
                cancel(&self.log, account, (job, run), reason, &context).await?;
            }
        }
        Ok(())
    }
}

/// Has requests go to a run that answers.
pub(super) async fn switch(
    log: &Log,
    service: ServiceId,
    job: &LiveJob,
    drain: Duration,
) -> Result<(), Error> {
    let command = Command::Switch(Switched {
        job: job.id,
        run: job.run,
        revision: None,
        drain_ms: Some(u64::try_from(drain.as_millis()).unwrap_or(u64::MAX)),
    });
    let part = Part::<ServiceAggregate>::on(job.account.clone(), service, command).boxed();
    let context = context(job.id.0, &format!("switch/{}", job.run)).because(job.cause);
    log.execute(&context, &[part]).await.map(drop)
}

/// Asks a run to end.
pub(super) async fn cancel(
    log: &Log,
    account: &AccountName,
    (id, run): (JobId, u32),
    reason: &str,
    context: &Context,
) -> Result<(), Error> {
    let address = Address::new(account.clone(), "job", id);
    let plan = || async {
        let job = log.state::<JobAggregate>(&address).await?;
        let job = job.ok_or_else(|| Refusal::not_found("there is no such job"))?;
        Ok::<_, Error>(job::cancel(account, &job, run, reason)?)
    };
    log.settle(context, plan).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "a policy acts when it acts")]
pub(super) fn context(about: Uuid, what: &str) -> Context {
    let id = CommandId(Uuid::new_v5(&about, format!("policy/{what}").as_bytes()));
    Context::platform(id, OffsetDateTime::now_utc())
}
