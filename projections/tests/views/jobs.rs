//! Jobs of random histories: what is to run, requests that start it, and what executors say of runs.

use eai_core::aggregate::Aggregate;
use eai_core::command::Part;
use eai_core::digest::Digest;
use eai_core::ids::{AccountId, ExecutorId, JobId, ServiceId};
use eai_core::job::{
    self, Claimed, Configuration, DataVersion, Ended, Endpoint, Frozen, Job, JobAggregate, Outcome,
    Phase, Phases, Ready, Started, Thawed, Unready,
};
use eai_core::log::Log;
use eai_core::service::{self, Command, ServiceAggregate, Switched};
use eai_core::spec::Spec;
use eai_core::subject::Address;
use time::macros::datetime;
use uuid::Uuid;

use super::support::{Parts, account, ask, offer};

/// What a thing is now; nothing where it was never made.
async fn state<A: Aggregate>(log: &Log, id: impl std::fmt::Display) -> A::State {
    let address = Address::new(account(), A::KIND, id);
    log.state::<A>(&address).await.unwrap()
}

/// Other files, or the same, are to run.
pub(super) async fn revise(log: &Log, id: ServiceId, content: u8) {
    let service = state::<ServiceAggregate>(log, id).await.unwrap();
    let configuration = Configuration {
        spec: Spec::default(),
        runtime: DataVersion {
            data: service.created.runtime.id,
            version: 1,
            manifest: Digest::of(&[content]),
        },
        mounts: Vec::new(),
    };
    ask(log, id, Command::Revise(Box::new(configuration))).await;
}

/// A request wants a live job; the one that it is led to, if the service may have one.
pub(super) async fn request(log: &Log, id: ServiceId) -> Option<JobId> {
    let service = state::<ServiceAggregate>(log, id).await.unwrap();
    let wanted = service::Job {
        id: JobId(Uuid::new_v4()),
        account_id: AccountId(Uuid::from_u128(5)),
        user: None,
        by_itself: false,
        // Long after every failure.
        now: datetime!(2100-01-01 00:00 UTC),
    };
    let (run, parts) = service::activate(&account(), &service, &wanted).ok()?;
    if !parts.is_empty() {
        offer(log, &parts).await;
    }
    Some(run.job)
}

/// An executor, or somebody, goes one step on with a job; `draw` is which, where there are several.
pub(super) async fn go_on(log: &Log, id: JobId, draw: u8) {
    let job = state::<JobAggregate>(log, id).await.unwrap();
    let (run, claim) = (job.run, job.claims);
    let command = match (job.phase, draw) {
        (Phase::Queuing | Phase::Queued | Phase::Running, 0) => {
            let parts = job::cancel(&account(), &job, run, "killed").unwrap();
            offer(log, &parts).await;
            return;
        }
        (Phase::Queuing, _) => job::Command::Claim(Claimed {
            run,
            claim: claim + 1,
            executor: ExecutorId(Uuid::from_u128(9)),
            epoch: 1,
        }),
        (Phase::Queued, _) => job::Command::Start(Started {
            run,
            claim,
            backend: "process".into(),
            endpoint: Endpoint::Unix(std::path::Path::new("/x").into()),
            limits: "rlimit".into(),
            network: "none".into(),
            image: draw.is_multiple_of(2).then(|| "a/b:1".to_owned()),
            image_ignored: true,
        }),
        (Phase::Running, _) if job.frozen => job::Command::Thaw(Thawed { run, claim }),
        (Phase::Running, _) if !job.ready => job::Command::Ready(Ready {
            run,
            claim,
            phases: Phases::default(),
        }),
        (Phase::Running, 1) => return switch(log, &job).await,
        (Phase::Running, 2) | (Phase::Cancelling, _) => {
            return end(log, &job, Outcome::Failed).await;
        }
        (Phase::Running, 3) => return end(log, &job, Outcome::Succeeded).await,
        (Phase::Running, 4) => job::Command::Freeze(Frozen {
            run,
            claim,
            reason: "asked".into(),
        }),
        (Phase::Running, _) => job::Command::Unready(Unready {
            run,
            claim,
            reason: "silent".into(),
        }),
        _ => return,
    };
    let part = Part::<JobAggregate>::on(account(), id, command).boxed();
    offer(log, &vec![part]).await;
}

/// Requests move to the run, if it is the one that they are to go to.
async fn switch(log: &Log, job: &Job) {
    let Some(behind) = &job.submitted.service else {
        return;
    };
    let switched = Switched {
        job: job.submitted.id,
        run: job.run,
        revision: None,
        drain_ms: Some(5),
    };
    let switch = Command::Switch(switched);
    let part = Part::<ServiceAggregate>::on(account(), behind.service.id, switch).boxed();
    // Its service may not know of it any more.
    offer(log, &vec![part]).await;
}

async fn end(log: &Log, job: &Job, state: Outcome) {
    let ended = Ended {
        run: job.run,
        claim: job.claim.as_ref().map(|claim| claim.claim),
        state,
        reason: "exit".into(),
        message: "it's \"over\"\n".into(),
        exit_code: Some(3),
        signal: None,
    };
    let at = datetime!(2026-01-01 00:00 UTC);
    let parts: Parts = job::end(&account(), job, ended, (at, false));
    offer(log, &parts).await;
}
