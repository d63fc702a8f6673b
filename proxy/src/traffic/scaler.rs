//! Tells the log how many replicas the requests in flight to a service ask for.
//!
//! It looks at counts in memory, and only at those of services that are awake and may have more replicas or fewer; a
//! request costs nothing here. What becomes of it is decided on what the log has.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use eai_core::command::{Context, Part};
use eai_core::ids::{CommandId, ServiceId};
use eai_core::log::live::{Change, LiveService};
use eai_core::policy::{Asked, Load};
use eai_core::service::{Command, Resized, ServiceAggregate};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::counter::Counters;
use crate::api::Shared;

/// How often is counted.
const COUNT: Duration = Duration::from_millis(100);

/// Watches the load of services.
#[derive(Debug)]
pub struct Scaler {
    platform: Shared,
    counters: Arc<Counters>,
    /// How long fewer replicas have to be enough.
    window: Duration,
    began: Instant,
    loads: HashMap<ServiceId, Watched>,
    telling: JoinSet<ServiceId>,
}

/// A service that may have more replicas or fewer.
#[derive(Debug)]
struct Watched {
    load: Load,
    /// The log is just told.
    telling: bool,
}

// === impl Scaler ===

impl Scaler {
    pub(super) fn new(platform: Shared, counters: Arc<Counters>, window: Duration) -> Self {
        Self {
            platform,
            counters,
            window,
            began: Instant::now(),
            loads: HashMap::new(),
            telling: JoinSet::new(),
        }
    }

    /// Watches for ever; safe to end at any moment.
    pub async fn run(mut self) -> Infallible {
        let mut changes = self.platform.live.changes();
        let mut ticks = tokio::time::interval(COUNT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.look_at_all();
        loop {
            tokio::select! {
                _ = ticks.tick(), if !self.loads.is_empty() => self.count(),
                Some(told) = self.telling.join_next() => {
                    if let Ok(id) = told
                        && let Some(watched) = self.loads.get_mut(&id)
                    {
                        watched.telling = false;
                    }
                }
                change = changes.recv() => match change {
                    Ok(Change::Service(id)) => self.look_at(id),
                    Ok(Change::Job(_) | Change::Executor(_)) => {}
                    Err(RecvError::Lagged(_)) => self.look_at_all(),
                    Err(RecvError::Closed) => std::future::pending().await,
                },
            }
        }
    }

    fn look_at_all(&mut self) {
        for service in self.platform.live.services() {
            self.look_at(service.id);
        }
    }

    fn look_at(&mut self, id: ServiceId) {
        let service = self.platform.live.service(id);
        if !service.is_some_and(|service| is_watched(&service)) {
            self.loads.remove(&id);
            return;
        }
        let window = self.window;
        self.loads.entry(id).or_insert_with(|| Watched {
            load: Load::new(window),
            telling: false,
        });
    }

    fn count(&mut self) {
        let at = self.began.elapsed();
        for (id, watched) in &mut self.loads {
            let Some(service) = self.platform.live.service(*id) else {
                continue;
            };
            let (replicas, wanted) = (service.demand.terms.replicas, service.wanted_replicas());
            let in_flight = self.counters.open(*id);
            let asked = watched.load.count(at, in_flight, replicas, wanted);
            let Some(asked) = asked.filter(|_| !watched.telling) else {
                continue;
            };
            watched.telling = true;
            let (platform, id) = (Arc::clone(&self.platform), *id);
            self.telling.spawn(async move {
                tell(&platform, &service, asked).await;
                id
            });
        }
    }
}

/// Where nothing runs, the first request starts something.
fn is_watched(service: &LiveService) -> bool {
    service.is_scaled() && !service.jobs.is_empty()
}

async fn tell(platform: &Shared, service: &LiveService, asked: Asked) {
    let Asked {
        replicas,
        in_flight,
    } = asked;
    let command = Command::Resize(Resized {
        replicas,
        in_flight,
    });
    let account = service.name.account.clone();
    let part = Part::<ServiceAggregate>::on(account, service.id, command).boxed();
    let context = Context::platform(CommandId(Uuid::new_v4()), OffsetDateTime::now_utc());
    match platform.log.execute(&context, &[part]).await {
        // So long until this process has heard of it, nothing else is asked for.
        Ok(outcome) => {
            platform.live.until(outcome.sequence, COUNT * 10).await;
        }
        // It is counted again.
        Err(error) => tracing::debug!(%error, service = %service.id, "scaler.untold"),
    }
}
