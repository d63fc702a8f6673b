//! Keeps the jobs of services with a URL: holds still and ends those that nobody asks for, runs those again that failed,
//! and keeps those warm that are to be.
//!
//! It looks at a service when something about it changed or is due. Every deadline comes from the log, so that whoever
//! starts anew finds the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::agenda::{is_failure, mark};
use super::controller::context;
use super::live::{Live, LiveService};
use super::{Error, Log, PolicyName};
use crate::aggregate::Refusal;
use crate::command::{Context, Part};
use crate::ids::{JobId, ServiceId};
use crate::job::{self, Job, JobAggregate};
use crate::policy::{self, IDLE, IdleIntent, IdlePlan, Recovery, Standing};
use crate::service::{self, GaveUp, Service, ServiceAggregate};
use crate::subject::Address;

/// How long after a failure what was meant is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long after a command that was refused it is looked at again, if nothing happens.
const MOVED_ON: Duration = Duration::from_millis(100);
/// How many services are looked at at a time.
const AT_A_TIME: usize = 16;

/// What holds for every service that says nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    /// How long a job is kept that nobody asks for.
    pub idle_timeout: Duration,
    /// How many failures in a row are too many.
    pub restart_limit: u32,
}

/// Keeps jobs.
#[derive(Debug)]
pub(super) struct Upkeep {
    log: Log,
    live: Live,
    usual: Usual,
}

// === impl Usual ===

impl Default for Usual {
    fn default() -> Self {
        Self {
            idle_timeout: service::IDLE_TIMEOUT,
            restart_limit: service::RESTART_LIMIT,
        }
    }
}

// === impl Upkeep ===

impl Upkeep {
    pub(super) fn new(log: Log, live: Live, usual: Usual) -> Self {
        Self { log, live, usual }
    }

    /// Runs for ever; safe to end at any moment.
    pub(super) async fn run(&self) {
        let mut changes = self.live.changes();
        let mut due = self.everything();
        let mut timers = BTreeMap::new();
        // One that takes long holds nobody else up.
        let mut looks = FuturesUnordered::new();
        let mut looking = BTreeSet::new();
        let mut stuck = BTreeSet::new();
        loop {
            let free = due.iter().filter(|id| !looking.contains(*id));
            let next: Vec<_> = free.take(AT_A_TIME - looks.len()).copied().collect();
            for id in next {
                due.remove(&id);
                timers.remove(&id);
                looking.insert(id);
                looks.push(async move { (id, self.look_again_after(id).await) });
            }
            tokio::select! {
                Some((id, (again, failed))) = looks.next() => {
                    looking.remove(&id);
                    mark(&self.log, PolicyName::Upkeep, &mut stuck, id, failed);
                    timers.extend(again.map(|at| (id, at)));
                }
                () = until(timers.values().min().copied()) => {
                    let now = now();
                    due.extend(timers.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id));
                }
                change = changes.recv() => match change {
                    Ok(change) => due.extend(change.service()),
                    Err(RecvError::Lagged(_)) => due = self.everything(),
                    Err(RecvError::Closed) => return,
                },
            }
            // What changed many times is looked at once.
            while let Ok(change) = changes.try_recv() {
                due.extend(change.service());
            }
        }
    }

    fn everything(&self) -> BTreeSet<ServiceId> {
        let services = self.live.services().into_iter();
        let urls = services.filter(|service| service.queue.is_none());
        urls.map(|service| service.id).collect()
    }

    /// When to look at it again, and whether what was meant could not be done.
    async fn look_again_after(&self, id: ServiceId) -> (Option<OffsetDateTime>, bool) {
        let looked = self.look_at(id).await;
        let failed = is_failure(&looked);
        let again = match looked {
            Ok(again) => again,
            Err(Error::Refused(refusal)) => {
                // What moved the state on brings the policy back; if it did before, the timer does.
                tracing::debug!(%refusal, service = %id, "upkeep.refused");
                Some(now() + MOVED_ON)
            }
            Err(error) => {
                tracing::warn!(%error, service = %id, "upkeep.failed");
                Some(now() + PAUSE)
            }
        };
        (again, failed)
    }

    /// Does what the service asks for; answers when to look again if nothing happens.
    async fn look_at(&self, id: ServiceId) -> Result<Option<OffsetDateTime>, Error> {
        let Some(live) = self.live.service(id).filter(|live| live.queue.is_none()) else {
            return Ok(None);
        };
        let address = Address::new(live.name.account.clone(), "service", id);
        let state = self
            .log
            .state_since::<ServiceAggregate>(&address, live.version);
        let Some(state) = state.await? else {
            return Ok(None);
        };
        let recovery = self.recover(&live, &state).await?;
        let idle = self.idle(&live, &state).await?;
        Ok(recovery.into_iter().chain(idle).min())
    }

    async fn recover(
        &self,
        live: &LiveService,
        state: &Service,
    ) -> Result<Option<OffsetDateTime>, Error> {
        let Usual {
            idle_timeout,
            restart_limit,
        } = self.usual;
        match policy::on_failures(state, idle_timeout, restart_limit, now()) {
            Recovery::None => Ok(None),
            Recovery::Later(at) => Ok(Some(at)),
            Recovery::GiveUp(gave_up) => self.give_up(live, gave_up).await.map(|()| None),
            Recovery::Activate => {
                let context = anew(live.id.0, "recover").because(live.cause);
                let (log, account) = (&self.log, &live.name.account);
                let run = log.activate(&self.live, account, live.id, &context, true);
                run.await.map(|_| None)
            }
        }
    }

    async fn give_up(&self, live: &LiveService, gave_up: GaveUp) -> Result<(), Error> {
        let context = anew(live.id.0, "give_up").because(live.cause);
        let command = service::Command::GiveUp(gave_up);
        let account = live.name.account.clone();
        let part = Part::<ServiceAggregate>::on(account, live.id, command).boxed();
        self.log.execute(&context, &[part]).await.map(drop)
    }

    async fn idle(
        &self,
        live: &LiveService,
        state: &Service,
    ) -> Result<Option<OffsetDateTime>, Error> {
        let plan = self.plan(state);
        if plan.intents.is_empty() {
            return Ok(plan.look_again);
        }
        // A job's events expect nothing of its service: what is heard late, such as that somebody asks for it again,
        // would be passed over.
        let address = Address::new(live.name.account.clone(), "service", live.id);
        let newest = self.log.newest_state::<ServiceAggregate>(&address).await?;
        let Some(state) = newest else {
            return Ok(None);
        };
        let plan = self.plan(&state);
        for intent in plan.intents {
            self.rest(live, intent).await?;
        }
        Ok(plan.look_again)
    }

    /// What is to become of the jobs of a service, as its state says whether anybody asks for it.
    fn plan(&self, state: &Service) -> IdlePlan {
        let jobs = state.live.iter().filter_map(|run| self.live.job(run.job));
        let runs: Vec<_> = jobs
            .map(|job| Standing {
                job: job.id,
                run: job.run,
                phase: job.phase,
                ready: job.ready,
                // One that stands still from before this start did so for long.
                frozen: job.frozen.then(|| {
                    job.still
                        .map_or(OffsetDateTime::UNIX_EPOCH, |still| still.since)
                }),
            })
            .collect();
        policy::on_idle(state, &runs, self.usual.idle_timeout, now())
    }

    async fn rest(&self, live: &LiveService, intent: IdleIntent) -> Result<(), Error> {
        let account = &live.name.account;
        let (IdleIntent::Freeze { job: id, .. } | IdleIntent::Stop { job: id, .. }) = intent;
        let job = self.job(live, id).await?;
        let (what, parts) = match intent {
            IdleIntent::Freeze { .. } => ("freeze", job::freeze(account, &job, IDLE)?),
            IdleIntent::Stop { run, .. } => ("stop", job::rest(account, &job, run, IDLE)),
        };
        let context = anew(id.0, what).because(live.cause);
        self.log.execute(&context, &parts).await.map(drop)
    }

    async fn job(&self, live: &LiveService, id: JobId) -> Result<Job, Error> {
        let address = Address::new(live.name.account.clone(), "job", id);
        let heard = self.live.job(id).map_or(0, |job| job.version);
        let job = self.log.state_since::<JobAggregate>(&address, heard);
        let job = job.await?;
        Ok(job.ok_or_else(|| Refusal::not_found("there is no such job"))?)
    }
}

/// A command that may have been given before, on another state: what it would do twice is refused by the state.
fn anew(about: Uuid, what: &str) -> Context {
    context(about, &format!("{what}/{}", now().unix_timestamp_nanos()))
}

/// Waits until a moment; for ever, where there is none. It may be told early where the clock was set.
async fn until(at: Option<OffsetDateTime>) {
    match at {
        Some(at) => {
            let left = Duration::try_from(at - now()).unwrap_or(Duration::ZERO);
            tokio::time::sleep(left).await;
        }
        None => std::future::pending().await,
    }
}

#[expect(clippy::disallowed_methods, reason = "a policy acts when it acts")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
