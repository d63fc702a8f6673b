//! Tells the log when nothing was open to a service for a while, and when it is asked for again.
//!
//! It looks at a service when it is woken, when the log has news of it, and when its silence would be long enough. A
//! service that is quiet costs nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use eai_core::command::{Context, Part};
use eai_core::ids::{CommandId, ServiceId};
use eai_core::log::live::{Change, LiveService};
use eai_core::service::{Command, Quiet, ServiceAggregate, Status, Traffic, silence};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::counter::{Counter, Counters, now};
use super::marks::Marks;
use crate::api::{ApiError, Shared, command};

/// How often it is marked when the last byte passed, while bytes pass.
const MARK: Duration = Duration::from_millis(200);
/// How long after a failure it is told again.
const AGAIN: u64 = 1000;

/// Tells the log.
#[derive(Debug)]
pub struct Teller {
    platform: Shared,
    counters: Arc<Counters>,
    woken: Receiver<ServiceId>,
    usual: Duration,
    marks: Marks,
    marking: Option<JoinHandle<()>>,
    watched: HashMap<ServiceId, Watched>,
    /// When to look at whom, in milliseconds since 1970.
    due: BTreeSet<(u64, ServiceId)>,
    /// Those to whom bytes passed a short time ago.
    lively: BTreeSet<ServiceId>,
    telling: JoinSet<Told>,
}

/// Why a service is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// The log may have some.
    Some,
    /// Somebody came, and sees by itself to what is held still.
    None,
}

/// What came of a command.
#[derive(Debug)]
struct Told {
    service: ServiceId,
    /// It was about the traffic, and not about a run that is held still.
    of_traffic: bool,
    came: Result<u64, ApiError>,
}

/// A service that is looked at.
#[derive(Debug)]
struct Watched {
    counter: Arc<Counter>,
    due: Option<u64>,
    /// The log is just told.
    telling: bool,
}

// === impl Teller ===

impl Teller {
    pub(super) fn new(
        platform: Shared,
        counters: Arc<Counters>,
        woken: Receiver<ServiceId>,
        usual: Duration,
        marks: Marks,
    ) -> Self {
        Self {
            platform,
            counters,
            woken,
            usual,
            marks,
            marking: None,
            watched: HashMap::new(),
            due: BTreeSet::new(),
            lively: BTreeSet::new(),
            telling: JoinSet::new(),
        }
    }

    /// Runs until `stop`, and leaves marks for the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.platform.live.changes();
        let mut mark = tokio::time::interval(MARK);
        mark.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.look_at_all();
        loop {
            let first = self.due.first().map(|(at, _)| *at);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(id) = self.woken.recv() => self.look_at(id, News::None),
                Some(told) = self.telling.join_next() => match told {
                    Ok(told) => self.told(told),
                    Err(error) => tracing::error!(%error, "traffic.task"),
                },
                change = changes.recv() => match change {
                    Ok(Change::Service(id)) => self.look_at(id, News::Some),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.look_at_all(),
                    Err(RecvError::Closed) => break,
                },
                () = until(first) => self.look_at_due(),
                _ = mark.tick(), if !self.lively.is_empty() => self.mark(),
            }
        }
        if let Some(marking) = self.marking.take() {
            // What went wrong was said.
            drop(marking.await);
        }
        self.mark();
        if let Some(marking) = self.marking.take() {
            drop(marking.await);
        }
    }

    fn look_at_all(&mut self) {
        for service in self.platform.live.services() {
            self.look_at(service.id, News::Some);
        }
    }

    fn look_at_due(&mut self) {
        let now = now();
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.look_at(id, News::Some);
        }
    }

    fn look_at(&mut self, id: ServiceId, news: News) {
        self.later(id, None);
        let Some(service) = self.platform.live.service(id) else {
            return;
        };
        if service.queue.is_some() {
            return;
        }
        let counter = self.counter(&service);
        if news == News::Some {
            self.let_go_on(&service, &counter);
        }
        let is_telling = self.watched.get(&id).is_some_and(|watched| watched.telling);
        if service.status != Status::On {
            self.lively.remove(&id);
            return;
        }
        if is_telling {
            return;
        }
        let silence = silence(service.demand.idle_timeout(self.usual));
        let silence = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        match service.demand.traffic {
            // Its first run says that somebody asks.
            Traffic::Never => {}
            Traffic::Quiet(_) if counter.is_told() => {
                self.lively.remove(&id);
            }
            Traffic::Quiet(_) if self.goes_on(&service) => {
                self.lively.insert(id);
                self.tell(&service, Command::Busy);
            }
            // Who asks for a job that is not there, or is held still, stirs the service.
            Traffic::Quiet(_) => {
                if counter.tell() {
                    self.lively.remove(&id);
                } else {
                    self.lively.insert(id);
                    self.later(id, Some(now() + silence));
                }
            }
            Traffic::Busy => {
                counter.raise(milliseconds(service.demand.stirred));
                counter.take_back();
                self.lively.insert(id);
                let quiet_on = counter.last() + silence;
                if quiet_on > now() {
                    self.later(id, Some(quiet_on));
                } else if counter.tell() {
                    let since = time(counter.last());
                    self.tell(&service, Command::Quiet(Quiet { since }));
                } else {
                    self.later(id, Some(now() + silence));
                }
            }
        }
    }

    /// The counter of a service; one that is new here goes on from what was known before this start.
    fn counter(&mut self, service: &LiveService) -> Arc<Counter> {
        let id = service.id;
        if let Some(watched) = self.watched.get(&id) {
            return Arc::clone(&watched.counter);
        }
        let demand = &service.demand;
        let known = match demand.traffic {
            Traffic::Never => 0,
            Traffic::Busy => milliseconds(demand.stirred),
            Traffic::Quiet(since) => milliseconds(since),
        };
        let last = match (self.marks.last(id), demand.traffic) {
            (Some(mark), _) => mark.max(known).min(now()),
            // An earlier version left no marks: nobody is given up too early.
            (None, Traffic::Busy) if self.marks.is_fresh() => now(),
            (None, _) => known,
        };
        let counter = self.counters.of(id, last);
        counter.raise(last);
        if matches!(demand.traffic, Traffic::Quiet(_)) {
            counter.tell();
        }
        self.watched.insert(
            id,
            Watched {
                counter: Arc::clone(&counter),
                due: None,
                telling: false,
            },
        );
        counter
    }

    /// Whether a request meets a job that goes on, and nobody but this says that it came.
    fn goes_on(&self, service: &LiveService) -> bool {
        let live = &self.platform.live;
        let mut jobs = service.jobs.iter().filter_map(|id| live.job(*id));
        jobs.any(|job| !job.frozen)
    }

    /// Has what was held still go on for those who were on their way to it, or of whom the log was not told yet.
    fn let_go_on(&mut self, service: &LiveService, counter: &Counter) {
        let live = &self.platform.live;
        let jobs = service.jobs.iter().filter_map(|id| live.job(*id));
        let mut idle = jobs.filter(|job| job.frozen && job.still.is_some_and(|still| still.idle));
        let untold = match service.demand.traffic {
            Traffic::Quiet(since) => counter.last() > milliseconds(since),
            Traffic::Never | Traffic::Busy => counter.open() > 0,
        };
        let Some(job) = idle.next().filter(|_| untold) else {
            return;
        };
        let (platform, id) = (Arc::clone(&self.platform), service.id);
        self.telling.spawn(async move {
            let thawed = async {
                command::admit(&platform)?;
                let (log, live) = (&platform.log, &platform.live);
                log.thaw(live, &job.account, job.id, &context()).await?;
                Ok(live.sequence())
            };
            Told {
                service: id,
                of_traffic: false,
                came: thawed.await,
            }
        });
    }

    fn tell(&mut self, service: &LiveService, command: Command) {
        let id = service.id;
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.telling = true;
        }
        let (platform, account) = (Arc::clone(&self.platform), service.name.account.clone());
        self.telling.spawn(async move {
            let told = async {
                command::admit(&platform)?;
                let part = Part::<ServiceAggregate>::on(account, id, command).boxed();
                let outcome = platform.log.execute(&context(), &[part]).await?;
                Ok(outcome.sequence)
            };
            Told {
                service: id,
                of_traffic: true,
                came: told.await,
            }
        });
    }

    fn told(&mut self, told: Told) {
        let id = told.service;
        let Some(watched) = self.watched.get_mut(&id) else {
            return;
        };
        if told.of_traffic {
            watched.telling = false;
        }
        match told.came {
            Ok(_) if !told.of_traffic => {}
            Ok(sequence) if self.platform.live.sequence() >= sequence => {
                self.look_at(id, News::Some);
            }
            // Its news bring this back here.
            Ok(_) => self.later(id, Some(now() + AGAIN)),
            Err(error) => {
                tracing::debug!(error = error.message(), service = %id, "traffic.tell");
                watched.counter.take_back();
                self.later(id, Some(now() + AGAIN));
            }
        }
    }

    fn later(&mut self, id: ServiceId, due: Option<u64>) {
        let Some(watched) = self.watched.get_mut(&id) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut watched.due, due) {
            self.due.remove(&(before, id));
        }
        if let Some(due) = due {
            self.due.insert((due, id));
        }
    }

    /// Marks when the last byte passed, beside everything else: a disk may be slow.
    fn mark(&mut self) {
        if self
            .marking
            .as_ref()
            .is_some_and(|marking| !marking.is_finished())
        {
            return;
        }
        let lively = self.lively.iter();
        let marks = lively.filter_map(|id| Some((*id, self.watched.get(id)?.counter.last())));
        let batch = self.marks.set(marks);
        if batch.is_empty() {
            return;
        }
        self.marking = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = batch.write() {
                tracing::warn!(%error, "traffic.mark");
            }
        }));
    }
}

fn context() -> Context {
    Context::platform(CommandId(Uuid::new_v4()), OffsetDateTime::now_utc())
}

fn milliseconds(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

fn time(milliseconds: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

/// Waits until a moment; for ever, where there is none.
async fn until(at: Option<u64>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(now()))).await,
        None => std::future::pending().await,
    }
}
