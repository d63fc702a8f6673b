//! Commands over a job and the service behind it: what ends a job tells its service in the same breath.

use super::{Command, Ended, Frozen, Job, JobAggregate, Outcome, Phase, Thawed};
use crate::aggregate::Refusal;
use crate::command::{AnyPart, Part};
use crate::names::AccountName;
use crate::service::{self, Ending, ServiceAggregate};
use time::OffsetDateTime;

/// The parts that end a run which came to `ended.state` by itself, at `at`. `steady` says that it had answered for long.
pub fn end(
    account: &AccountName,
    job: &Job,
    ended: Ended,
    (at, steady): (OffsetDateTime, bool),
) -> Vec<Box<dyn AnyPart>> {
    let by_itself = matches!(ended.state, Outcome::Failed | Outcome::Succeeded);
    let ending = by_itself.then(|| Ending::new(at, steady, &ended.reason, &ended.message));
    end_so(account, job, ended, ending)
}

fn end_so(
    account: &AccountName,
    job: &Job,
    ended: Ended,
    ending: Option<Ending>,
) -> Vec<Box<dyn AnyPart>> {
    let state = job.outcome(ended.state);
    let id = job.submitted.id;
    let mut parts = Vec::with_capacity(2);
    if let Some(behind) = &job.submitted.service {
        let command = service::Command::EndJob(service::JobEnded {
            job: id,
            run: ended.run,
            state,
            ending: ending.filter(|_| state == ended.state && behind.worker.is_none()),
            failed_revision: None,
        });
        let service = behind.service.id;
        parts.push(Part::<ServiceAggregate>::on(account.clone(), service, command).boxed());
    }
    let ended = Ended { state, ..ended };
    parts.push(Part::<JobAggregate>::on(account.clone(), id, Command::End(ended)).boxed());
    parts
}

/// The parts that end a run on request: at once where nobody has claimed it, else through its executor.
pub fn cancel(
    account: &AccountName,
    job: &Job,
    run: u32,
    reason: &str,
) -> Result<Vec<Box<dyn AnyPart>>, Refusal> {
    let command = Command::Cancel {
        run,
        reason: reason.into(),
    };
    Ok(ask_to_end(account, job, (run, reason), command))
}

/// The parts that end a run because nobody asks for it; refused where it may be answering somebody.
pub fn rest(account: &AccountName, job: &Job, run: u32, reason: &str) -> Vec<Box<dyn AnyPart>> {
    let command = Command::Rest {
        run,
        reason: reason.into(),
    };
    ask_to_end(account, job, (run, reason), command)
}

/// The parts that end a worker's run once it is done with what it is at, or after `drain_ms`.
pub fn drain(
    account: &AccountName,
    job: &Job,
    run: u32,
    reason: &str,
    drain_ms: u64,
) -> Result<Vec<Box<dyn AnyPart>>, Refusal> {
    let command = Command::Drain {
        run,
        reason: reason.into(),
        drain_ms,
    };
    Ok(ask_to_end(account, job, (run, reason), command))
}

fn ask_to_end(
    account: &AccountName,
    job: &Job,
    (run, reason): (u32, &str),
    command: Command,
) -> Vec<Box<dyn AnyPart>> {
    if run == job.run && job.phase == Phase::Queuing {
        let ended = Ended {
            run,
            claim: None,
            state: Outcome::Cancelled,
            reason: reason.into(),
            message: "it ended before it began".into(),
            exit_code: None,
            signal: None,
        };
        return end_so(account, job, ended, None);
    }
    let part = Part::<JobAggregate>::on(account.clone(), job.submitted.id, command);
    vec![part.boxed()]
}

/// The parts that hold a job's current run still.
pub fn freeze(
    account: &AccountName,
    job: &Job,
    reason: &str,
) -> Result<Vec<Box<dyn AnyPart>>, Refusal> {
    let (run, claim) = running(job, "freeze")?;
    let reason = reason.into();
    let command = Command::Freeze(Frozen { run, claim, reason });
    Ok(vec![part(account, job, command)])
}

/// The parts that let a job's current run go on; who asks for it asks for its service.
pub fn thaw(account: &AccountName, job: &Job) -> Result<Vec<Box<dyn AnyPart>>, Refusal> {
    let (run, claim) = running(job, "thaw")?;
    let mut parts = Vec::with_capacity(2);
    if let Some(behind) = &job.submitted.service
        && behind.worker.is_none()
    {
        let busy = service::Command::Busy;
        let service = behind.service.id;
        parts.push(Part::<ServiceAggregate>::on(account.clone(), service, busy).boxed());
    }
    parts.push(part(account, job, Command::Thaw(Thawed { run, claim })));
    Ok(parts)
}

fn part(account: &AccountName, job: &Job, command: Command) -> Box<dyn AnyPart> {
    Part::<JobAggregate>::on(account.clone(), job.submitted.id, command).boxed()
}

/// The run and the claim of a job whose command runs.
fn running(job: &Job, verb: &str) -> Result<(u32, u32), Refusal> {
    match (&job.claim, job.phase) {
        (Some(claim), Phase::Running) => Ok((claim.run, claim.claim)),
        (_, phase) if phase.is_alive() => Err(Refusal::conflict(
            "not-running",
            format!("cannot {verb} a job that is in state {phase}: it has to be RUNNING"),
        )),
        (_, phase) => Err(Refusal::conflict(
            "already-ended",
            format!("cannot {verb} a job that is in state {phase}"),
        )),
    }
}
