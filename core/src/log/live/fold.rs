//! One event, folded into what is alive.

use std::sync::Arc;

use super::{Live, LiveClaim, LiveJob, LiveService};
use crate::account::{self, AccountAggregate};
use crate::aggregate::{Aggregate, DecodeError, Event as _};
use crate::command::Cause;
use crate::envelope::{Envelope, TypeParts};
use crate::executor::{self, ExecutorAggregate};
use crate::ids::{JobId, ServiceId};
use crate::job::{self, JobAggregate, Phase};
use crate::names::AccountName;
use crate::service::{self, ServiceAggregate, Status};
use crate::subject::Address;
use time::OffsetDateTime;

impl Live {
    /// Folds an event; those of other kinds, and those that this version cannot read, change nothing.
    pub fn apply(&self, sequence: u64, envelope: &Envelope<'_>) -> Result<(), DecodeError> {
        let folded = self.fold(sequence, envelope);
        self.inner.sequence.send_replace(sequence);
        folded
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
        };
        match parts.kind {
            ServiceAggregate::KIND => {
                let event = decode::<ServiceAggregate>(parts, data)?;
                if let Ok(id) = id.parse() {
                    self.service_event(id, &account, &envelope.actor, (sequence, cause), event);
                }
            }
            JobAggregate::KIND => {
                let event = decode::<JobAggregate>(parts, data)?;
                if let Ok(id) = id.parse() {
                    self.job_event(id, account, (sequence, envelope.time, cause), event);
                }
            }
            AccountAggregate::KIND => {
                if let account::Event::Created(created) = decode::<AccountAggregate>(parts, data)? {
                    let accounts = self.inner.accounts.pin();
                    accounts.insert(created.full_name, created.id);
                }
            }
            ExecutorAggregate::KIND => {
                self.executor_event(decode::<ExecutorAggregate>(parts, data)?);
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
        (sequence, cause): (u64, Cause),
        event: service::Event,
    ) {
        use service::Event;
        if let Event::Created(created) = event {
            let name = account.join(created.name);
            self.inner.names.pin().insert(name.clone(), id);
            let (status, public, runtime) = (created.status, created.public, created.runtime.id);
            let actor = actor.to_owned();
            let mut service = LiveService::new(id, name, status, public, actor, runtime, None);
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
        match event {
            Event::Started(_) => service.status = Status::On,
            Event::Stopped(_) => service.status = Status::Off,
            Event::Deactivated(_) => service.status = Status::Deactivated,
            Event::Reactivated(reactivated) => service.status = reactivated.status,
            Event::Revised(revised) => service.key = Some(revised.key),
            // Jobs tell what is alive; policies want to know all the same.
            Event::Created(_) | Event::Activated(_) | Event::Switched(_) | Event::JobEnded(_) => {}
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
            }
            Event::Unready(unready) => {
                job.ready = false;
                job.unready = Some(unready.reason);
            }
            Event::Cancelling(_) => job.phase = Phase::Cancelling,
            Event::Ended(ended) => {
                job.phase = ended.state.into();
                job.ready = false;
                job.endpoint = None;
                job.ended = Some(ended);
            }
            Event::Retried(retried) => {
                job.run = retried.run;
                job.since = time;
                job.unready = None;
                job.phase = Phase::Queuing;
                job.claim = None;
                job.ready = false;
                job.endpoint = None;
                job.phases = None;
                job.ended = None;
            }
        }
        self.put_job(job);
    }

    /// Runs that the executor does not stand by any more are no longer routed to.
    fn executor_event(&self, event: executor::Event) {
        let executor::Event::Started(started) = event else {
            return;
        };
        let executors = self.inner.executors.pin();
        executors.insert(started.id, started.epoch);
        let alive = self.jobs().into_iter().filter(|job| job.phase.is_alive());
        for job in alive {
            let Some(claim) = job.claim.filter(|claim| claim.executor == started.id) else {
                continue;
            };
            let run = executor::Run {
                job: job.id,
                run: job.run,
                claim: claim.claim,
            };
            let mut job = LiveJob::clone(&job);
            if started.adopted.contains(&run) {
                job.claim = Some(LiveClaim {
                    epoch: started.epoch,
                    ..claim
                });
            }
            self.put_job(job);
        }
    }
}

fn decode<A: Aggregate>(parts: TypeParts<'_>, data: &str) -> Result<A::Event, DecodeError> {
    A::Event::decode(parts.name, parts.version, data)
}
