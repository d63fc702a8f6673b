//! Keeps the workers of queues: looks at a service when something about it changed or is due, asks the pure policy,
//! issues the commands that it means, and tells the log when the health is another.

use std::time::Duration;

use super::activate::job_for;
use super::agenda::Agenda;
use super::controller::context;
use super::idle::Idle;
use super::live::{Live, LiveService};
use super::queues::{Queues, is_planned};
use super::{Error, Log, PolicyName};
use crate::aggregate::Refusal;
use crate::command::Part;
use crate::health::{Facts, Over, RunIs, Worker};
use crate::ids::{JobId, ServiceId};
use crate::job::{self, JobAggregate};
use crate::policy::{self, WorkerIntent};
use crate::service::{self, Service, ServiceAggregate};
use crate::subject::Address;
use crate::worker::{self, Restart, WorkerAggregate};

/// Keeps workers.
#[derive(Debug)]
pub(super) struct Keeper {
    log: Log,
    live: Live,
    queues: Queues,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(log: Log, live: Live, queues: Queues) -> Self {
        Self { log, live, queues }
    }

    /// Runs for ever; safe to end at any moment.
    pub(super) async fn run(&self) {
        let mut agenda = Agenda::new(PolicyName::Queue, (&self.log, &self.live), |service| {
            service.queue.is_some()
        });
        let mut idle = Idle::new(self.queues.tasks().clone());
        loop {
            for id in agenda.take() {
                let looked = self.look_at(id, &mut idle).await;
                agenda.looked_at(id, looked);
            }
            tokio::select! {
                id = idle.woken() => agenda.call(id),
                goes_on = agenda.wait() => if !goes_on {
                    return;
                },
            }
        }
    }

    /// Does what the service asks for; answers when to look again if nothing happens.
    async fn look_at(&self, id: ServiceId, idle: &mut Idle) -> Result<Option<Duration>, Error> {
        let Some(live) = self.live.service(id).filter(|live| live.queue.is_some()) else {
            return Ok(None);
        };
        let address = Address::new(live.name.account.clone(), "service", id);
        let state = self
            .log
            .state_since::<ServiceAggregate>(&address, live.version);
        let (Some(state), Some(mut facts)) = (state.await?, self.queues.facts(id)) else {
            return Ok(None);
        };
        // Both of one moment: what is alive may be a step behind.
        facts.status = state.status;
        facts.queue.clone_from(state.queue()?);
        let (asleep, look) = idle.look_at(id, &state, &facts);
        facts.asleep = asleep;
        self.complete(&live, &state, &mut facts).await?;
        let plan = policy::on_queue(&state, &facts);
        for intent in plan.intents {
            self.carry_out(&live, &facts, intent).await?;
        }
        self.report(&live, &state, &facts).await?;
        let again = plan.look_again.map(|at| at - facts.now);
        let again = again.map(|again| again.try_into().unwrap_or(Duration::ZERO));
        Ok(again.into_iter().chain(look).min())
    }

    /// Looks up in the log what became of runs that ended while nobody watched.
    async fn complete(
        &self,
        live: &LiveService,
        state: &Service,
        facts: &mut Facts,
    ) -> Result<(), Error> {
        for place in &mut facts.places {
            let Some(worker) = &mut place.worker else {
                continue;
            };
            let mut alive = state.live.iter().chain(&state.ending);
            let is_alive = alive.any(|run| (run.job, run.run) == (worker.job, worker.run));
            if worker.run_is == RunIs::Unknown && !is_alive {
                worker.run_is = self.ended(live, worker).await?;
            }
        }
        Ok(())
    }

    async fn ended(&self, live: &LiveService, worker: &Worker) -> Result<RunIs, Error> {
        let address = Address::new(live.name.account.clone(), "job", worker.job);
        let job = self.log.state::<JobAggregate>(&address).await?;
        let job = job.filter(|job| job.run == worker.run);
        let ended = job.and_then(|job| Some((job.ended?, job.cancel_reason)));
        Ok(ended.map_or(RunIs::Unknown, |(ended, reason)| {
            RunIs::Over(Over {
                outcome: ended.state,
                message: ended.message,
                was_ready: true,
                planned: is_planned(reason.as_deref()),
            })
        }))
    }

    async fn carry_out(
        &self,
        live: &LiveService,
        facts: &Facts,
        intent: WorkerIntent,
    ) -> Result<(), Error> {
        match intent {
            WorkerIntent::End {
                job,
                run,
                reason,
                drain_ms,
            } => self.end(live, (job, run), reason, drain_ms).await,
            WorkerIntent::Run { index, restart } => {
                let place = facts.places.iter().find(|place| place.index == index);
                let worker = place.and_then(|place| place.worker.as_ref());
                self.fill(live, index, worker, restart).await
            }
            WorkerIntent::Say { index, command } => {
                let id = worker::id(live.id, index);
                let place = facts.places.iter().find(|place| place.index == index);
                let since = place
                    .and_then(|place| place.worker.as_ref())
                    .map_or(0, |worker| worker.since.unix_timestamp_nanos());
                let account = live.name.account.clone();
                let part = Part::<WorkerAggregate>::on(account, id, command).boxed();
                // From where it was: the same again, and nothing else.
                let what = format!("worker/{index}/{}/{since}", part.effect());
                let context = context(live.id.0, &what).because(live.cause);
                self.log.execute(&context, &[part]).await.map(drop)
            }
        }
    }

    /// Ends a run, once it is done with what it is at or at once.
    async fn end(
        &self,
        live: &LiveService,
        (id, run): (JobId, u32),
        reason: &str,
        drain_ms: Option<u64>,
    ) -> Result<(), Error> {
        let account = &live.name.account;
        let address = Address::new(account.clone(), "job", id);
        let plan = || async {
            let job = self.log.state::<JobAggregate>(&address).await?;
            let job = job.ok_or_else(|| Refusal::not_found("there is no such job"))?;
            Ok::<_, Error>(match drain_ms {
                None => job::cancel(account, &job, run, reason)?,
                Some(drain_ms) => job::drain(account, &job, run, reason, drain_ms)?,
            })
        };
        let context = context(id.0, &format!("end/{run}/{reason}")).because(live.cause);
        ended_already(self.log.settle(&context, plan).await.map(drop))
    }

    /// Brings a worker to life.
    async fn fill(
        &self,
        live: &LiveService,
        index: u32,
        before: Option<&Worker>,
        restart: Option<Restart>,
    ) -> Result<(), Error> {
        let after = before.map_or_else(
            || "first".to_owned(),
            |worker| format!("{}/{}", worker.job, worker.run),
        );
        let what = format!("worker/{index}/after/{after}");
        let context = context(live.id.0, &what).because(live.cause);
        let account = &live.name.account;
        let job = job_for(&self.live, account, live.id, &context)?;
        let address = Address::new(account.clone(), "service", live.id);
        let plan = || async {
            let state = self.log.state::<ServiceAggregate>(&address).await?;
            let state = state.ok_or_else(|| Refusal::not_found("there is no such service"))?;
            let restart = restart.clone();
            let (_, parts) = service::activate_worker(account, &state, index, &job, restart)?;
            Ok::<_, Error>(parts)
        };
        self.log.settle(&context, plan).await.map(drop)
    }

    /// Tells the log that the health is another. One that never started has none.
    async fn report(
        &self,
        live: &LiveService,
        state: &Service,
        facts: &Facts,
    ) -> Result<(), Error> {
        let health = facts.summary();
        let is_news = match &state.health {
            Some(before) => *before != health,
            None => facts.places.iter().any(|place| place.worker.is_some()),
        };
        if !is_news {
            return Ok(());
        }
        let account = live.name.account.clone();
        let command = service::Command::ReportHealth(health);
        let part = Part::<ServiceAggregate>::on(account, live.id, command).boxed();
        let what = format!("health/{}", facts.now.unix_timestamp_nanos());
        let context = context(live.id.0, &what).because(live.cause);
        self.log.execute(&context, &[part]).await.map(drop)
    }
}

/// That a run ended before it was asked to is as good.
fn ended_already(asked: Result<(), Error>) -> Result<(), Error> {
    match asked {
        Err(Error::Refused(refusal)) if refusal.code == "already-ended" => Ok(()),
        asked => asked,
    }
}
