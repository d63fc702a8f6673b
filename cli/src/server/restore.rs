//! `eai server --restore FILE`: a platform that begins with the events of an export.
//!
//! The order is the point: the export is verified before anything is made, its events are stored as they are, then the
//! log says that they came from there, then what was alive in them is over; only then may anything be decided on them.
//! Each step is safe to repeat, so that a start that broke off goes on where it was.

use std::path::Path;
use std::time::Duration;

use eai_core::command::{AnyPart, Cause, Context, Part};
use eai_core::executor::{self, ExecutorAggregate};
use eai_core::fail_point;
use eai_core::ids::CommandId;
use eai_core::job::{self, Ended, JobAggregate, Outcome};
use eai_core::log::export::Tally;
use eai_core::log::live::{Live, LiveExecutor, LiveJob};
use eai_core::log::{self, Log, Recorded};
use eai_core::platform::{Command, PlatformAggregate, Restored};
use eai_core::subject::Address;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Error;
use super::data_dir::{Beginning, DataDir};
use crate::export::{Export, Lines, Origin};

/// How many events are stored at a time, at most.
const MOST: usize = 400;
/// How many bytes they may have together.
const MOST_BYTES: usize = 4 << 20;
/// How long what is alive may take to have all that was restored.
const CATCH_UP: Duration = Duration::from_hours(1);

/// What a start does with what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin<'a> {
    /// It goes on with its own log.
    AsItIs,
    /// It goes on with the log of an export.
    From(&'a Restoring),
    /// It answers questions about an export, until it is told to end: nothing is decided, and nothing runs.
    LookAt(&'a Restoring, &'a CancellationToken),
}

/// An export that a platform begins with.
#[derive(Debug)]
pub(crate) struct Restoring {
    export: Export,
    origin: Origin,
}

impl Begin<'_> {
    /// Brings the log to where it begins.
    pub(crate) async fn put_back(self, log: &Log, data: &DataDir) -> Result<(), Error> {
        match self {
            Self::AsItIs => Ok(()),
            Self::From(restoring) => {
                restoring.put_back(log).await?;
                restoring.say(log, data).await
            }
            Self::LookAt(restoring, _) => restoring.put_back(log).await,
        }
    }

    /// Whether nothing may be added to the log.
    pub(crate) fn only_looks(self) -> bool {
        matches!(self, Self::LookAt(..))
    }

    /// Waits until a start that nobody waits for any more has to end what it started. A platform leaves its nats-server
    /// to its next start; what only looks has none.
    pub(crate) async fn given_up(self) {
        match self {
            Self::AsItIs | Self::From(_) => std::future::pending().await,
            Self::LookAt(_, interrupted) => interrupted.cancelled().await,
        }
    }
}

impl Restoring {
    /// Reads and verifies an export.
    pub(crate) fn verified(path: &Path) -> Result<Self, Error> {
        let export = Export::verified(path)?;
        let empty = || Error::EmptyExport {
            path: path.to_owned(),
        };
        let origin = export.origin.clone().ok_or_else(empty)?;
        Ok(Self { export, origin })
    }

    /// What the data directory has to know of it.
    pub(crate) fn beginning(&self) -> Beginning {
        Beginning {
            founder: self.origin.first,
            account: self.origin.account.clone(),
            sha256: self.export.manifest.sha256,
        }
    }

    /// Stores the events, from where an earlier start broke off.
    async fn put_back(&self, log: &Log) -> Result<(), Error> {
        let failed = |source| Error::Log {
            step: "store the events of the export",
            source,
        };
        let last = self.export.manifest.last_sequence;
        let there = log.last_sequence().await.map_err(failed)?;
        if there > last {
            // All of it, and what the platform said itself since.
            return Ok(());
        }
        tracing::info!(events = last, there, "restore.begin");
        fail_point::reach("restore.begun");
        let mut lines = Lines::open(&self.export.path)?;
        let mut tally = Tally::default();
        let mut batch: Vec<Recorded> = Vec::new();
        let mut bytes = 0;
        while let Some(event) = lines.next()? {
            // It may be another file by now than the one that was verified.
            tally
                .take(&event)
                .map_err(|error| lines.damaged(&error.to_string()))?;
            if event.sequence < there {
                continue;
            }
            if event.sequence == there {
                self.must_be_the_same(log, &event).await?;
                continue;
            }
            bytes += event.payload.len();
            batch.push(event);
            if batch.len() == MOST || bytes >= MOST_BYTES {
                log.put_back(&batch).await.map_err(failed)?;
                fail_point::reach("restore.batch");
                batch.clear();
                bytes = 0;
            }
        }
        log.put_back(&batch).await.map_err(failed)?;
        if tally.manifest() != self.export.manifest {
            return Err(lines.damaged("it changed while it was read").into());
        }
        fail_point::reach("restore.stored");
        Ok(())
    }

    /// An earlier start stored what is there: its last event says whether it was this export.
    async fn must_be_the_same(&self, log: &Log, event: &Recorded) -> Result<(), Error> {
        let stored = log.get(event.sequence).await.map_err(|source| Error::Log {
            step: "read what was restored before",
            source,
        })?;
        let same = stored.is_some_and(|stored| {
            (stored.subject, stored.payload) == (event.subject.clone(), event.payload.clone())
        });
        same.then_some(()).ok_or_else(|| Error::Log {
            step: "go on with the restore",
            source: log::Error::Damaged(format!(
                "event {} is not the one that the export has there",
                event.sequence
            )),
        })
    }

    /// Says where the events came from.
    async fn say(&self, log: &Log, data: &DataDir) -> Result<(), Error> {
        let restored = Restored {
            from: self.origin.last,
            events: self.export.manifest.events,
            sha256: self.export.manifest.sha256,
        };
        let command = Command::Restore(restored);
        let (account, id) = (data.account().clone(), data.platform());
        let part = Part::<PlatformAggregate>::on(account, id, command).boxed();
        let said = log.execute(&context(data, "said"), &[part]).await;
        said.map(drop).map_err(|source| Error::Log {
            step: "say that the log was restored",
            source,
        })
    }

    /// Ends the runs that were alive: whatever they did goes on elsewhere, or not at all.
    pub(crate) async fn interrupt(
        &self,
        log: &Log,
        live: &Live,
        data: &DataDir,
    ) -> Result<(), Error> {
        let failed = |source| Error::Log {
            step: "interrupt what was alive in the export",
            source,
        };
        let newest = log.last_sequence().await.map_err(failed)?;
        if !live.until(newest, CATCH_UP).await {
            let reason = "what is alive was not loaded in time".to_owned();
            return Err(failed(log::Error::Unavailable(reason)));
        }
        fail_point::reach("restore.said");
        let said = context(data, "said").id;
        let platform = data.platform().to_string();
        let cause = Cause {
            event: said.event("platform", &platform, 0),
            correlation: said.0,
            traceparent: None,
        };
        let alive = live.jobs().into_iter().filter(|job| job.phase.is_alive());
        let mut runs = 0;
        for job in alive {
            let context = context(data, &format!("job/{}", job.id)).because(Some(cause));
            end(log, &job, &context).await.map_err(failed)?;
            runs += 1;
        }
        let started = live.executors().into_iter();
        for executor in started.filter(|executor| executor.started && !executor.lost) {
            let context = context(data, &format!("executor/{}", executor.id)).because(Some(cause));
            lose(log, &executor, &context).await.map_err(failed)?;
        }
        let newest = log.last_sequence().await.map_err(failed)?;
        live.until(newest, CATCH_UP).await;
        fail_point::reach("restore.over");
        tracing::info!(
            events = self.export.manifest.events,
            runs,
            "restore.done: what was alive is interrupted"
        );
        Ok(())
    }
}

/// The same at every start, so that each step happens once.
fn context(data: &DataDir, what: &str) -> Context {
    let name = format!("restore/{what}");
    let id = CommandId(Uuid::new_v5(&data.platform().0, name.as_bytes()));
    Context::platform(id, OffsetDateTime::now_utc())
}

async fn end(log: &Log, live: &LiveJob, context: &Context) -> Result<(), log::Error> {
    let address = Address::new(live.account.clone(), "job", live.id);
    let plan = || async {
        let job = log.state::<JobAggregate>(&address).await?;
        let alive = job.filter(|job| job.phase.is_alive());
        let parts: Vec<Box<dyn AnyPart>> = alive.map_or_else(Vec::new, |job| {
            let ended = Ended {
                run: job.run,
                claim: job.claim.as_ref().map(|claim| claim.claim),
                state: Outcome::Interrupted,
                reason: "platform-restored".into(),
                message: "the platform was restored from an export, without what ran then".into(),
                exit_code: None,
                signal: None,
            };
            job::end(&live.account, &job, ended, (context.time, false))
        });
        Ok::<_, log::Error>(parts)
    };
    log.settle(context, plan).await.map(drop)
}

/// Nobody waits for the executors of before.
async fn lose(log: &Log, executor: &LiveExecutor, context: &Context) -> Result<(), log::Error> {
    let command = executor::Command::Lose {
        epoch: executor.epoch,
    };
    let account = executor.account.clone();
    let part = Part::<ExecutorAggregate>::on(account, executor.id, command).boxed();
    log.execute(context, &[part]).await.map(drop)
}
