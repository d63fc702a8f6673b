//! At the start: which runs of an earlier epoch go on, which are lost, and what belongs to nobody.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eai_core::command::{Context, Part};
use eai_core::executor::{self, ExecutorAggregate, Run as RunId, Started};
use eai_core::ids::CommandId;
use eai_core::job::{Job, JobAggregate, Outcome, Phase, Submitted};
use eai_core::log;
use eai_core::names::AccountName;
use eai_core::subject::Address;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::claim::hold_found;
use super::early::Early;
use super::exit::without_exit;
use super::life::Life;
use super::report::Report;
use super::{Error, Executor, Ledger, Settings, Shared, Stop, Tools, worker};
use crate::backend::{Found, Running, State};
use crate::data::Cache;
use crate::queue::{Expected, Queues};

/// How long what is alive may take to have all that the log has.
pub(super) const CATCH_UP: Duration = Duration::from_mins(1);

/// A run that the log says is ours.
pub(super) struct Ours {
    pub(super) account: AccountName,
    pub(super) job: Job,
    pub(super) run: RunId,
}

/// Takes up what is there, and says so before anything else.
pub(super) async fn start(
    settings: Settings,
    tools: Tools,
    stop: watch::Receiver<Stop>,
) -> Result<Executor, Error> {
    let cache = Cache::open(&settings.cache, tools.objects.clone())?;
    let newest = tools.log.last_sequence().await?;
    if !tools.live.until(newest, CATCH_UP).await {
        let reason = "what is alive was not loaded in time".to_owned();
        return Err(log::Error::Unavailable(reason).into());
    }
    let ours = ours(&settings, &tools).await?;
    let mut found: HashMap<RunId, Found<Running>> = HashMap::new();
    let mut orphans = Vec::new();
    for run in tools.backend.found().await.map_err(Error::Found)? {
        match serde_json::from_value(run.metadata.clone()) {
            Ok(id) if ours.iter().any(|ours| ours.run == id) => {
                found.insert(id, run);
            }
            Ok(_) | Err(_) => orphans.push(run),
        }
    }
    // A run that was claimed and not begun is begun now; one that began and left no trace is lost.
    let (adopted, lost): (Vec<Ours>, Vec<Ours>) = ours.into_iter().partition(|ours| {
        let is_there = found
            .get(&ours.run)
            .is_some_and(|found| found.state != State::Broken);
        is_there || ours.job.phase == Phase::Queued
    });
    let context = context();
    let epoch = say_started(&settings, &tools, &context, (&adopted, &lost)).await?;

    let queues = tools.tasks.clone().map(|tasks| {
        let (live, objects, log) = (&tools.live, &tools.objects, &tools.log);
        Queues::new(tasks, live.clone(), objects.clone(), log.clone())
    });
    let shared = Arc::new(Shared {
        settings,
        tools,
        cache,
        epoch: AtomicU32::new(epoch),
        stop,
        ledger: Mutex::new(Ledger::default()),
        early: Early::default(),
        room: Notify::new(),
        left: Notify::new(),
        queues,
    });
    let mut lives = JoinSet::new();
    // All are expected before one of them gets something to do.
    let adopted: Vec<_> = adopted
        .into_iter()
        .map(|run| {
            let expected = shared.expect(&run.job.submitted);
            (run, expected)
        })
        .collect();
    for (run, expected) in adopted {
        let left = found
            .remove(&run.run)
            .filter(|found| found.state != State::Broken);
        let left = left.map(|found| found.running);
        let wished = hold_found(&shared, run.run, &run.job);
        let shared = Arc::clone(&shared);
        lives.spawn(async move {
            let id = run.run.job;
            let submitted = run.job.submitted;
            let life = Life::new(
                &shared,
                &run.account,
                submitted,
                run.run,
                (Duration::ZERO, None),
                None,
            );
            Box::pin(life.through(wished, left.map(|left| (left, expected)))).await;
            shared.release(id);
        });
    }
    for run in lost {
        lives.spawn(tell_lost(Arc::clone(&shared), run));
    }
    // What was lost before it began may have left something, too.
    for orphan in orphans.into_iter().chain(found.into_values()) {
        tracing::info!(
            run = orphan.running.name(),
            "run.orphan: nobody has it any more"
        );
        // One that does not end holds up nobody's start.
        lives.spawn(async move {
            if let Err(error) = orphan.running.remove().await {
                tracing::warn!(run = orphan.running.name(), %error, "run.remove");
            }
        });
    }
    Ok(Executor { shared, lives })
}

/// Ends a run of which nothing is there.
pub(super) async fn tell_lost(shared: Arc<Shared>, lost: Ours) {
    let Ours { account, run, .. } = lost;
    let report = Report::new(&shared.tools.log, &account, run, shared.epoch(), None);
    let message = "it was gone when the platform started again";
    let ended = without_exit(run, Outcome::Interrupted, "executor-lost", message);
    if let Err(superseded) = report.end(ended, false).await {
        tracing::debug!(job = %run.job, %superseded, "run.lost");
    }
}

/// The runs that the log says this executor has.
pub(super) async fn ours(settings: &Settings, tools: &Tools) -> Result<Vec<Ours>, log::Error> {
    let mut ours = Vec::new();
    for live in tools.live.jobs() {
        let is_ours = live.phase.is_alive()
            && live
                .claim
                .is_some_and(|claim| claim.executor == settings.id);
        if !is_ours {
            continue;
        }
        let address = Address::new(live.account.clone(), "job", live.id);
        let job = tools
            .log
            .state_since::<JobAggregate>(&address, live.version);
        let Some(job) = job.await? else {
            continue;
        };
        let Some(claim) = job.claim.clone() else {
            continue;
        };
        ours.push(Ours {
            account: live.account.clone(),
            run: RunId {
                job: live.id,
                run: claim.run,
                claim: claim.claim,
            },
            job,
        });
    }
    Ok(ours)
}

/// Begins an epoch; the answer is its number.
pub(super) async fn say_started(
    settings: &Settings,
    tools: &Tools,
    context: &Context,
    (adopted, lost): (&[Ours], &[Ours]),
) -> Result<u32, log::Error> {
    let address = Address::new(settings.account.clone(), "executor", settings.id);
    let runs = |ours: &[Ours]| ours.iter().map(|ours| ours.run).collect();
    let started = Started {
        id: settings.id,
        epoch: 0,
        backend: tools.backend.name().into(),
        cpu_milli: settings.cpu_milli,
        mem_mib: settings.mem_mib,
        adopted: runs(adopted),
        lost: runs(lost),
    };
    let plan = || async {
        let epoch = tools.log.state::<ExecutorAggregate>(&address).await?.epoch + 1;
        let command = executor::Command::Start(Started {
            epoch,
            ..started.clone()
        });
        let account = settings.account.clone();
        let part = Part::<ExecutorAggregate>::on(account, settings.id, command);
        Ok::<_, log::Error>(vec![part.boxed()])
    };
    let outcome = tools.log.settle(context, plan).await?;
    let state = tools.log.state::<ExecutorAggregate>(&address).await?;
    // Routes of the epoch before count no more once this is folded.
    tools.live.until(outcome.sequence, CATCH_UP).await;
    Ok(state.epoch)
}

impl Shared {
    /// Says that a worker goes on, if the job is one.
    fn expect(&self, submitted: &Submitted) -> Option<Expected> {
        let place = worker::place(submitted)?;
        let queues = self.queues.as_ref()?;
        Some(queues.expect(place.service))
    }

    /// Says that the epoch is over; where that cannot be said, the next start says it.
    pub(super) async fn say_stopped(&self) {
        let command = executor::Command::Stop {
            epoch: self.epoch(),
        };
        let account = self.settings.account.clone();
        let part = Part::<ExecutorAggregate>::on(account, self.settings.id, command).boxed();
        let parts = [part];
        let context = context();
        let said = self.tools.log.execute(&context, &parts);
        match tokio::time::timeout(Duration::from_secs(2), said).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "executor.stop"),
            Err(_) => tracing::warn!("executor.stop: the log did not answer"),
        }
    }
}

pub(super) fn context() -> Context {
    let id = CommandId(Uuid::new_v4());
    Context::platform(id, OffsetDateTime::now_utc())
}
