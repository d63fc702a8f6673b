//! Taking a run: the first executor whose claim the log stores has it.

use std::sync::Arc;

use eai_core::aggregate::Refusal;
use eai_core::command::Part;
use eai_core::executor::Run as RunId;
use eai_core::job::{self, Claimed, Job, JobAggregate, Phase};
use eai_core::log;
use eai_core::log::live::LiveJob;
use eai_core::subject::Address;
use time::OffsetDateTime;

use super::early::Claim;
use super::life::Life;
use super::report::context;
use super::{Shared, Wish, Wished};
use crate::answered::until_answered;

/// Claims a job that waits, and sees its run through to the end. Ends at once where another one has it.
pub(super) async fn claim_and_live(shared: Arc<Shared>, live: Arc<LiveJob>) {
    let address = Address::new(live.account.clone(), "job", live.id);
    let log = &shared.tools.log;
    let job = match until_answered(|| log.state_since::<JobAggregate>(&address, live.version)).await
    {
        Ok(Some(job)) if job.phase == Phase::Queuing => job,
        Ok(_) => return,
        Err(error) => return tracing::warn!(job = %live.id, %error, "claim.state"),
    };
    let mem_mib = job.submitted.configuration.spec.resources.mem.mebibytes();
    let Some(wished) = shared.hold(live.id, mem_mib.into()) else {
        return;
    };
    shared.tools.backend.expect();
    let run = RunId {
        job: live.id,
        run: job.run,
        claim: job.claims + 1,
    };
    match claim(&shared, &live, run).await {
        Ok(()) => {
            shared.early.settle(run, Claim::Won);
            let queue = OffsetDateTime::now_utc() - live.since;
            let queue = queue.try_into().unwrap_or_default();
            let life = Life::new(
                &shared,
                &live.account,
                job.submitted,
                run,
                (queue, live.cause),
                live.cause.and_then(|cause| cause.traceparent),
            );
            if let Some(held) = shared.ledger().runs.get_mut(&live.id) {
                held.run = Some(run);
            }
            // What was asked of it before the run was held would be missed.
            if let Some(job) = shared.tools.live.job(live.id) {
                shared.heed(&job);
            }
            Box::pin(life.through(wished, None)).await;
        }
        Err(error) => {
            shared.early.settle(run, Claim::Lost);
            tracing::debug!(job = %live.id, %error, "claim.lost");
        }
    }
    shared.release(live.id);
}

async fn claim(shared: &Shared, live: &LiveJob, run: RunId) -> Result<(), log::Error> {
    let claimed = Claimed {
        run: run.run,
        claim: run.claim,
        executor: shared.settings.id,
        epoch: shared.epoch(),
    };
    let command = job::Command::Claim(claimed.clone());
    let part = Part::<JobAggregate>::on(live.account.clone(), live.id, command).boxed();
    let what = format!("claim/{}/{}", shared.settings.id, claimed.epoch);
    let context = context(run, &what).because(live.cause);
    let parts = [part];
    until_answered(|| shared.tools.log.execute(&context, &parts)).await?;
    eai_core::fail_point::reach("executor.claimed");
    // Nothing was stored where another claim came first and this one was stored before it: never both.
    let address = Address::new(live.account.clone(), "job", live.id);
    let now = until_answered(|| shared.tools.log.state::<JobAggregate>(&address));
    match now.await? {
        Some(job) if job.claim.as_ref() == Some(&claimed) => Ok(()),
        _ => Err(Refusal::stale("the run was claimed, and lost again").into()),
    }
}

/// A run that was found at the start is held in any case.
pub(super) fn hold_found(shared: &Shared, run: RunId, job: &Job) -> Wished {
    let mem_mib = job.submitted.configuration.spec.resources.mem.mebibytes();
    let wish = match job.phase {
        Phase::Cancelling => Wish::End,
        _ => Wish::GoOn,
    };
    let mut ledger = shared.ledger();
    ledger.insert(
        job.submitted.id,
        mem_mib.into(),
        Some(run),
        (wish, job.frozen),
    )
}
