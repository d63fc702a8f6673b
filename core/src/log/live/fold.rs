//! One event, folded into what is alive.

use std::sync::Arc;

use super::{Change, Demand, Live, LiveClaim, LiveExecutor, LiveJob, LiveService, Still};
use crate::account::AccountAggregate;
use crate::aggregate::{Aggregate, DecodeError, Event as _};
use crate::command::Cause;
use crate::envelope::{Envelope, TypeParts};
use crate::executor::{self, ExecutorAggregate};
use crate::ids::{ExecutorId, JobId, ServiceId};
use crate::job::{self, JobAggregate, Phase};
use crate::names::AccountName;
use crate::role::RoleAggregate;
use crate::service::{self, ServiceAggregate, Status};
use crate::subject::Address;
use crate::worker::{self, WorkerAggregate};
use time::{Duration, OffsetDateTime};

impl Live {
    /// Folds an event; those of other kinds, and those that this version cannot read, change nothing.
    pub fn apply(&self, sequence: u64, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
        let folded = self.fold(sequence, envelope);
        self.inner.sequence.send_replace(sequence);
        folded
    }

    /// Goes on behind what is no event.
    pub(super) fn pass_over(&self, sequence: u64) {
        self.inner.sequence.send_replace(sequence);
    }

    /// The job that an event brings back, if it is not known here: one that ended is not loaded.
    pub(super) fn lacks(&self, envelope: &Envelope<'_>) -> Option<Address> {
        let parts = envelope.type_parts().ok()?;
        let id: JobId = envelope.aggregate_id().parse().ok()?;
        let back = parts.kind == JobAggregate::KIND && parts.name == "retried";
        let account = envelope.account_name().ok()?;
        (back && self.job(id).is_none()).then(|| Address::new(account, JobAggregate::KIND, id))
    }

    /// Takes in a job that ended, so that what happens to it from now on is followed.
    pub(super) fn recall(&self, account: AccountName, job: &job::Job) {
        let mut live = LiveJob::submitted(account, &job.submitted);
        // How it stands is told by the events that follow; until then it is over.
        live.phase = Phase::Interrupted;
        self.inner.jobs.pin().insert(live.id, Arc::new(live));
    }

    fn fold(&self, sequence: u64, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
        let (Ok(parts), Ok(account)) = (envelope.type_parts(), envelope.account_name()) else {
            return Ok(());
        };
        let data = envelope.data.get();
        let id = envelope.aggregate_id();
        let cause = Cause {
            event: envelope.id,
            correlation: envelope.correlationid,
            traceparent: envelope
                .traceparent
                .as_deref()
                .and_then(|trace| trace.parse().ok()),
        };
        match parts.kind {
            ServiceAggregate::KIND => {
                let event = decode::<ServiceAggregate>(parts, data)?;
                if let Ok(id) = id.parse() {
                    let at = (sequence, envelope.time, cause);
                    self.service_event(id, &account, &envelope.actor, at, event);
                }
            }
            JobAggregate::KIND => {
                let event = decode::<JobAggregate>(parts, data)?;
                if let Ok(id) = id.parse() {
                    self.job_event(id, account, (sequence, envelope.time, cause), event);
                }
            }
            WorkerAggregate::KIND => {
                let event = decode::<WorkerAggregate>(parts, data)?;
                if let Some(id) = worker::parse_id(id) {
                    self.worker_event(id, (sequence, envelope.time), event);
                }
            }
            AccountAggregate::KIND => {
                self.account_event(decode::<AccountAggregate>(parts, data)?);
            }
            RoleAggregate::KIND => {
                let event = decode::<RoleAggregate>(parts, data)?;
                if let Ok(id) = id.parse() {
                    self.role_event(id, account, event);
                }
            }
            ExecutorAggregate::KIND => {
                let event = decode::<ExecutorAggregate>(parts, data)?;
                if let Ok(id) = id.parse() {
                    self.executor_event(id, account, event);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn service_event(
        &self,
        id: ServiceId,
        account: &AccountName,
        actor: &str,
        (sequence, time, cause): (u64, OffsetDateTime, Cause),
        event: service::Event,
    ) {
        use service::Event;
        if let Event::Created(created) = event {
            let name = account.join(created.name);
            self.inner.names.pin().insert(name.clone(), id);
            let (status, public, runtime) = (created.status, created.public, created.runtime.id);
            let actor = actor.to_owned();
            let mut service = LiveService::new(id, name, status, public, actor, runtime, None);
            service.role = Some(created.role.id);
            service.queue = created.queue;
            service.demand = Demand::new(created.terms, time);
            service.cause = Some(cause);
            service.version = sequence;
            self.put_service(service);
            return;
        }
        let Some(service) = self.service(id) else {
            return;
        };
        let mut service = LiveService::clone(&service);
        service.cause = Some(cause);
        service.version = sequence;
        self.roll(&mut service, time, &event);
        service.follow_replicas(&event);
        service.demand.follow(&event, time);
        match event {
            Event::Started(_) => service.status = Status::On,
            Event::Stopped(_) => service.status = Status::Off,
            Event::Deactivated(_) => service.status = Status::Deactivated,
            Event::Reactivated(reactivated) => service.status = reactivated.status,
            Event::Revised(revised) => service.key = Some(revised.key),
            Event::Deleted(_) => {
                service.status = Status::Deleted;
                let names = self.inner.names.pin();
                // Another service may have the name by now.
                names.compute(service.name.clone(), |held| match held {
                    Some((_, holder)) if *holder == id => papaya::Operation::Remove,
                    _ => papaya::Operation::<ServiceId, ()>::Abort(()),
                });
            }
            Event::Scaled(scaled) => {
                if let Some(queue) = &mut service.queue {
                    queue.workers = scaled.workers;
                }
            }
            Event::Configured(configured) => {
                if let Some(queue) = &mut service.queue {
                    queue.idle_timeout_ms = configured.terms.idle_timeout_ms;
                }
            }
            // Jobs tell what is alive; policies want to know all the same.
            _ => {}
        }
        self.put_service(self.routed(service));
    }

    fn job_event(
        &self,
        id: JobId,
        account: AccountName,
        (sequence, time, cause): (u64, OffsetDateTime, Cause),
        event: job::Event,
    ) {
        use job::Event;
        if let Event::Submitted(submitted) = event {
            let mut job = LiveJob::submitted(account, &submitted);
            job.version = sequence;
            job.since = time;
            job.cause = Some(cause);
            self.put_job(job);
            return;
        }
        let Some(job) = self.job(id) else {
            return;
        };
        let mut job = LiveJob::clone(&job);
        job.version = sequence;
        job.cause = Some(cause);
        match event {
            Event::Submitted(_) => {}
            Event::Claimed(claimed) => {
                job.phase = Phase::Queued;
                job.claim = Some(LiveClaim {
                    executor: claimed.executor,
                    epoch: claimed.epoch,
                    claim: claimed.claim,
                });
            }
            Event::Started(started) => {
                if job.phase == Phase::Queued {
                    job.phase = Phase::Running;
                }
                job.endpoint = Some(started.endpoint);
            }
            Event::Ready(ready) => {
                job.ready = true;
                job.unready = None;
                job.phases = Some(ready.phases);
                job.ready_on = job.ready_on.or(Some(time));
            }
            Event::Unready(unready) => {
                job.ready = false;
                job.unready = Some(unready.reason);
            }
            Event::Frozen(frozen) => {
                job.frozen = true;
                job.still = Some(Still::new(&frozen, time));
            }
            Event::Thawed(_) => (job.frozen, job.still) = (false, None),
            Event::Cancelling(cancelling) => {
                job.phase = Phase::Cancelling;
                (job.frozen, job.still) = (false, None);
                job.cancel_reason = Some(cancelling.reason);
                let drain = cancelling.drain_ms.and_then(|ms| i64::try_from(ms).ok());
                job.drain_until = drain.map(|ms| time + Duration::milliseconds(ms));
            }
            Event::Ended(ended) => {
                job.phase = ended.state.into();
                job.ready = false;
                (job.frozen, job.still) = (false, None);
                job.endpoint = None;
                job.ended = Some(ended);
            }
            Event::Retried(retried) => {
                job.run = retried.run;
                job.flights = Arc::default();
                job.since = time;
                job.unready = None;
                job.phase = Phase::Queuing;
                job.claim = None;
                job.ready = false;
                (job.frozen, job.still) = (false, None);
                job.endpoint = None;
                job.phases = None;
                job.ready_on = None;
                job.cancel_reason = None;
                job.drain_until = None;
                job.ended = None;
            }
        }
        self.put_job(job);
    }

    fn executor_event(&self, id: ExecutorId, account: AccountName, event: executor::Event) {
        use executor::Event;
        if let Event::Started(started) = event {
            return self.executor_started(account, &started);
        }
        let Some(executor) = self.executor(id) else {
            return;
        };
        let mut executor = LiveExecutor::clone(&executor);
        match event {
            Event::Started(_) => {}
            Event::Stopped(_) => executor.started = false,
            Event::Lost(_) => (executor.started, executor.lost) = (false, true),
            Event::Draining(_) => executor.draining = true,
            Event::Undrained(_) => executor.draining = false,
        }
        let lost = executor.lost;
        self.inner.executors.pin().insert(id, Arc::new(executor));
        if lost {
            self.tell_of_runs(id);
        }
        self.tell(Change::Executor(id));
    }

    /// Runs that the executor does not stand by any more are no longer routed to.
    fn executor_started(&self, account: AccountName, started: &executor::Started) {
        let id = started.id;
        // Those that go on are moved first, so that nobody sees them as abandoned meanwhile.
        for run in &started.adopted {
            let Some(job) = self.job(run.job) else {
                continue;
            };
            let same = |claim: &LiveClaim| claim.executor == id && claim.claim == run.claim;
            let Some(claim) = job.claim.filter(same).filter(|_| job.run == run.run) else {
                continue;
            };
            let mut job = LiveJob::clone(&job);
            job.claim = Some(LiveClaim {
                epoch: started.epoch,
                ..claim
            });
            self.inner.jobs.pin().insert(job.id, Arc::new(job));
        }
        let draining = self.executor(id).is_some_and(|before| before.draining);
        let executor = LiveExecutor {
            id,
            account,
            epoch: started.epoch,
            started: true,
            lost: false,
            draining,
            mem_mib: started.mem_mib,
        };
        self.inner.executors.pin().insert(id, Arc::new(executor));
        self.tell_of_runs(id);
        self.tell(Change::Executor(id));
    }

    /// Whether an executor's runs may be sent requests is looked at anew.
    fn tell_of_runs(&self, id: ExecutorId) {
        let alive = self.jobs().into_iter().filter(|job| job.phase.is_alive());
        for job in alive.filter(|job| job.claim.is_some_and(|claim| claim.executor == id)) {
            self.put_job(LiveJob::clone(&job));
        }
    }
}

fn decode<A: Aggregate>(parts: TypeParts<'_>, data: &str) -> Result<A::Event, DecodeError> {
    A::Event::decode(parts.name, parts.version, data)
}
