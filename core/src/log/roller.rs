//! Brings services from one revision to the next: looks at a service when something about it changed or is due, asks
//! the pure policy, and issues the commands that it means.

use std::time::Duration;

use time::OffsetDateTime;

use super::agenda::Agenda;
use super::controller::{cancel, context};
use super::live::{Live, LiveService};
use super::{Error, Log, PolicyName};
use crate::command::Part;
use crate::ids::ServiceId;
use crate::policy::{Drains, Intent, on_rollout};
use crate::service::{Activated, Command, Draining, Service, ServiceAggregate};
use crate::subject::Address;

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
        let rolls = |service: &LiveService| service.queue.is_none();
        let mut agenda =
            Agenda::new(PolicyName::Rollout, (&self.log, &self.live), rolls).minding_executors();
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
        let gives_way = |run: &&Activated| match state.fleet.joined.last() {
            Some(joined) => (joined.job, joined.run) == (run.job, run.run),
            None => state.serves(run),
        };
        let mut serving = state.live.iter().filter(gives_way);
        let serving = serving.next().and_then(|run| self.live.job(run.job));
        let current = state.live.iter().rev().find(|run| state.is_current(run));
        let current = current.and_then(|run| self.live.job(run.job));
        Drains {
            now: OffsetDateTime::now_utc(),
            until: leaving.map(|run| (run.job, run.run, run.until)).collect(),
            no_room: match (current, serving) {
                (Some(waiting), Some(old)) if waiting.id != old.id && !state.is_settled() => {
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
