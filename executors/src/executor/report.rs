//! Telling the log what becomes of a run, until the log has it or says that the run is not ours any more.

use eai_core::aggregate::Refusal;
use eai_core::command::{Cause, Context, Part};
use eai_core::executor::Run as RunId;
use eai_core::ids::CommandId;
use eai_core::job::{self, Command, Ended, JobAggregate, Phase};
use eai_core::log::{self, Log};
use eai_core::names::AccountName;
use eai_core::subject::Address;
use eai_core::trace::TraceParent;
use time::OffsetDateTime;
use tracing::field;
use uuid::Uuid;

use crate::answered::until_answered;

/// Says what happens to one run under one claim.
#[derive(Clone, Debug)]
pub(super) struct Report {
    log: Log,
    account: AccountName,
    run: RunId,
    epoch: u32,
    /// What the run came from.
    cause: Option<Cause>,
}

/// The log says that the run is another's by now, or over.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the run is not this executor's any more: {0}")]
pub(super) struct Superseded(String);

/// A command of an executor about a run: the same words about the same run are the same command.
pub(super) fn context(run: RunId, what: &str) -> Context {
    let name = format!("executor/{}/{}/{what}", run.run, run.claim);
    let id = CommandId(Uuid::new_v5(&run.job.0, name.as_bytes()));
    Context::platform(id, OffsetDateTime::now_utc())
}

// === impl Report ===

impl Report {
    pub(super) fn new(
        log: &Log,
        account: &AccountName,
        run: RunId,
        epoch: u32,
        cause: Option<Cause>,
    ) -> Self {
        Self {
            log: log.clone(),
            account: account.clone(),
            run,
            epoch,
            cause,
        }
    }

    pub(super) fn run(&self) -> RunId {
        self.run
    }

    fn address(&self) -> Address {
        Address::new(self.account.clone(), "job", self.run.job)
    }

    /// Says something that does not end the run. `what` tells it from everything else said of the run.
    pub(super) async fn say(&self, what: &str, command: Command) -> Result<(), Superseded> {
        let context = context(self.run, &format!("{}/{what}", self.epoch)).because(self.cause);
        let part = Part::<JobAggregate>::on(self.account.clone(), self.run.job, command).boxed();
        let parts = [part];
        let said = until_answered(|| self.log.execute(&context, &parts));
        said.await.map_err(|error| superseded(&error))?;
        tracing::info!(
            job = %self.run.job,
            run = self.run.run,
            claim = self.run.claim,
            trace = self.trace().map(field::display),
            what,
            "run.told"
        );
        Ok(())
    }

    /// The trace context of the request that it came from, where that had one.
    fn trace(&self) -> Option<TraceParent> {
        self.cause.and_then(|cause| cause.traceparent)
    }

    /// Whether the log still says that the run is this executor's.
    pub(super) async fn check_claim(&self) -> Result<(), Superseded> {
        let address = self.address();
        let job = until_answered(|| self.log.state::<JobAggregate>(&address)).await;
        let claim = job
            .map_err(|error| superseded(&error))?
            .and_then(|job| job.claim);
        match claim {
            Some(held) if (held.run, held.claim) == (self.run.run, self.run.claim) => Ok(()),
            _ => Err(Superseded("it was given up meanwhile".to_owned())),
        }
    }

    /// Says that the run ended. Where it was asked to end, that is the reason, whatever it came to by itself.
    ///
    /// `steady` says that it had answered for long.
    pub(super) async fn end(&self, ended: Ended, steady: bool) -> Result<(), Superseded> {
        let context = context(self.run, "ended").because(self.cause);
        let address = self.address();
        let plan = || async {
            let job = self.log.state::<JobAggregate>(&address).await?;
            let job = job.ok_or_else(|| Refusal::not_found("there is no such job"))?;
            if job.ended.is_some() || job.claims != self.run.claim {
                return Err(Refusal::conflict("job-ended", "the run ended already").into());
            }
            let mut ended = ended.clone();
            if let (Phase::Cancelling, Some(reason)) = (job.phase, &job.cancel_reason) {
                ended.reason.clone_from(reason);
            }
            let at = (context.time, steady);
            Ok::<_, log::Error>(job::end(&self.account, &job, ended, at))
        };
        let told = until_answered(|| self.log.settle(&context, plan));
        told.await.map_err(|error| superseded(&error))?;
        tracing::info!(
            job = %self.run.job,
            run = self.run.run,
            claim = self.run.claim,
            trace = self.trace().map(field::display),
            state = ?ended.state,
            reason = ended.reason,
            "run.ended"
        );
        Ok(())
    }
}

fn superseded(error: &log::Error) -> Superseded {
    Superseded(error.to_string())
}
