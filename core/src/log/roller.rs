//! Brings services from one revision to the next: looks at a service when something about it changed or is due, asks
//! the pure policy, and issues the commands that it means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::controller::{cancel, context};
use super::live::{Change, Live, LiveService};
use super::{Error, Log};
use crate::command::Part;
use crate::ids::ServiceId;
use crate::policy::{Drains, Intent, on_rollout};
use crate::service::{Command, Draining, Service, ServiceAggregate};
use crate::subject::Address;

/// How long after a failure what was meant is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Moves requests from one run to the next.
#[derive(Debug)]
pub(super) struct Roller {
    log: Log,
    live: Live,
    drain: Duration,
}

// === impl Roller ===

impl Roller {
    pub(super) fn new(log: Log, live: Live, drain: Duration) -> Self {
        Self { log, live, drain }
    }

    /// Runs for ever; safe to end at any moment.
    pub(super) async fn run(&self) {
        let mut changes = self.live.changes();
        let mut due = self.everything();
        let mut timers = BTreeMap::new();
        loop {
            for id in std::mem::take(&mut due) {
                timers.remove(&id);
                match self.look_at(id).await {
                    Ok(None) => {}
                    Ok(Some(again)) => drop(timers.insert(id, Instant::now() + again)),
                    Err(Error::Refused(refusal)) => {
                        // The state moved on, and what moved it brings the policy back; if not, the timer does.
                        tracing::debug!(%refusal, service = %id, "rollout.refused");
                        timers.insert(id, Instant::now() + PAUSE);
                    }
                    Err(error) => {
                        tracing::warn!(%error, service = %id, "rollout.failed");
                        timers.insert(id, Instant::now() + PAUSE);
                    }
                }
            }
            let first = timers.values().min().copied();
            let timer = async {
                match first {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => {
                    let now = Instant::now();
                    due.extend(timers.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id));
                }
                change = changes.recv() => match change {
                    Ok(Change::Service(id)) => drop(due.insert(id)),
                    // What it means for a service is told with it, but for room.
                    Ok(Change::Job(_)) => {}
                    Ok(Change::Executor(_)) | Err(RecvError::Lagged(_)) => due = self.everything(),
                    Err(RecvError::Closed) => return,
                },
            }
            // What changed many times is looked at once.
            while let Ok(change) = changes.try_recv() {
                if let Change::Service(id) = change {
                    due.insert(id);
                }
            }
        }
    }

    fn everything(&self) -> BTreeSet<ServiceId> {
        let services = self.live.services().into_iter();
        let rolls = services.filter(|service| service.queue.is_none());
        rolls.map(|service| service.id).collect()
    }

    /// Does what the service asks for; answers when to look again if nothing happens.
    async fn look_at(&self, id: ServiceId) -> Result<Option<Duration>, Error> {
        // One job that is not on its way out has nobody to take turns with.
        let is_moving =
            |live: &LiveService| live.jobs.len() > 1 || !live.rollout.leaving.is_empty();
        let rolls = |live: &LiveService| live.queue.is_none() && !live.jobs.is_empty();
        let Some(live) = self.live.service(id).filter(|live| rolls(live)) else {
            return Ok(None);
        };
        let account = &live.name.account;
        let address = Address::new(account.clone(), "service", id);
        let state = self
            .log
            .state_since::<ServiceAggregate>(&address, live.version);
        let Some(state) = state.await? else {
            return Ok(None);
        };
        let drains = self.drains(&live, &state);
        let rolling = on_rollout(&state, &drains);
        for intent in rolling.intents {
            self.carry_out(&live, &state, intent).await?;
        }
        let again = rolling.look_again.map(|at| at - drains.now);
        let again = again.map(|again| again.try_into().unwrap_or(Duration::ZERO));
        Ok(again.filter(|_| is_moving(&live)))
    }

    #[expect(clippy::disallowed_methods, reason = "a policy acts when it acts")]
    fn drains(&self, live: &LiveService, state: &Service) -> Drains {
        let leaving = live.rollout.leaving.iter();
        let mut serving = state.live.iter().filter(|run| state.serves(run));
        let serving = serving.next().and_then(|run| self.live.job(run.job));
        let current = state.live.iter().rev().find(|run| state.is_current(run));
        let current = current.and_then(|run| self.live.job(run.job));
        Drains {
            now: OffsetDateTime::now_utc(),
            until: leaving.map(|run| (run.job, run.run, run.until)).collect(),
            no_room: match (current, serving) {
                (Some(waiting), Some(old)) if waiting.id != old.id => {
                    self.live.waits_for(&waiting, &old)
                }
                _ => false,
            },
        }
    }

    async fn carry_out(
        &self,
        live: &LiveService,
        state: &Service,
        intent: Intent,
    ) -> Result<(), Error> {
        let account = &live.name.account;
        match intent {
            Intent::Cancel { job, run, reason } => {
                let context = context(job.0, &format!("cancel/{run}")).because(live.cause);
                cancel(&self.log, account, (job, run), reason, &context).await
            }
            Intent::Activate => {
                let revision = state.desired.as_ref().map_or(0, |desired| desired.revision);
                // What is tried again is another command; that one is alive already is seen by the decision.
                let after = state.reusable.last();
                let after = after.map(|run| format!("{}/{}", run.job, run.run));
                let what = format!(
                    "activate/{revision}/{}/{}",
                    live.version,
                    after.unwrap_or_default()
                );
                let context = context(live.id.0, &what).because(live.cause);
                self.log
                    .activate(&self.live, account, live.id, &context, true)
                    .await
                    .map(drop)
            }
            Intent::Drain { job, run } => {
                let drain_ms = u64::try_from(self.drain.as_millis()).unwrap_or(u64::MAX);
                let command = Command::Drain(Draining { job, run, drain_ms });
                let part = Part::<ServiceAggregate>::on(account.clone(), live.id, command).boxed();
                let context = context(job.0, &format!("drain/{run}")).because(live.cause);
                self.log.execute(&context, &[part]).await.map(drop)
            }
        }
    }
}
