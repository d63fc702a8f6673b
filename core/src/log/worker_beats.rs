//! Signs of life of queue workers: core NATS messages that nobody stores, and when each was last heard.
//!
//! The executor that has a worker gives them for it, as long as the worker gives its own. Whoever listens says something
//! itself, like a worker that nobody knows: as long as that comes back, it would hear others.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::{Error, Log};
use crate::ids::{JobId, ServiceId};
use crate::lease::Ear;
use crate::subject;

/// The pause before signs of life are listened to again.
const PAUSE: Duration = Duration::from_millis(200);
/// The pause between two looks at whether everything is heard. A second is no long time for a busy machine.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// How long a worker that is silent is remembered.
const REMEMBERED: Duration = Duration::from_hours(1);
/// How many are remembered before those are looked for.
const MANY: usize = 4096;

/// A worker's sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerBeat {
    /// The service that it works for.
    pub service: ServiceId,
    /// Which of its workers it is, counted from 0.
    pub index: u32,
    /// Its job.
    pub job: JobId,
    /// The run of the job.
    pub run: u32,
    /// What it does.
    pub state: WorkerState,
}

/// What a worker does, as it is shown everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It waits for a task.
    Running,
    /// It is at a task.
    Processing,
}

/// A worker's sign of life that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerHeard {
    /// What it said.
    pub beat: WorkerBeat,
    /// When, on the clock of who listens.
    pub at: Duration,
}

/// The last sign of life of each worker. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerBeats {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    /// As who it hears itself.
    own: ServiceId,
    since: Instant,
    heard: Mutex<Ears>,
}

#[derive(Debug)]
struct Ears {
    ear: Ear,
    last: HashMap<(ServiceId, u32), WorkerHeard>,
}

impl Log {
    /// Says that a worker is there. Nothing is queued for a server that is away: it would come too late.
    pub async fn worker_beat(&self, beat: WorkerBeat) {
        let subject = subject::worker_heartbeat(beat.service, beat.index);
        self.say(subject, &beat).await;
    }
}

// === impl WorkerState ===

impl WorkerState {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Processing => "processing",
        }
    }
}

// === impl WorkerBeats ===

impl WorkerBeats {
    /// Nothing was heard yet; [`WorkerBeats::listen`] listens.
    pub fn new(log: Log) -> Self {
        Self {
            inner: Arc::new(Inner {
                log,
                own: ServiceId(Uuid::from_u128(rand::random())),
                since: Instant::now(),
                heard: Mutex::new(Ears {
                    ear: Ear::new(LOOK_PAUSE),
                    last: HashMap::new(),
                }),
            }),
        }
    }

    /// Listens for ever.
    pub async fn listen(&self) -> Infallible {
        tokio::join!(self.hear_always(), self.look_always()).0
    }

    async fn hear_always(&self) -> Infallible {
        loop {
            if let Err(error) = self.hear().await {
                tracing::debug!(%error, "worker.beats");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks whether everything is heard: a server that stands still breaks no connection.
    async fn look_always(&self) -> Infallible {
        let mut ticks = tokio::time::interval(LOOK_PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
            self.inner.log.worker_beat(self.own_beat()).await;
        }
    }

    fn look(&self) {
        let own = self.last(self.inner.own, 0).map(|heard| heard.at);
        let (now, breaks) = (self.now(), self.breaks());
        self.ears().ear.look(now, breaks, own);
    }

    fn own_beat(&self) -> WorkerBeat {
        WorkerBeat {
            service: self.inner.own,
            index: 0,
            job: JobId(self.inner.own.0),
            run: 0,
            state: WorkerState::Running,
        }
    }

    fn breaks(&self) -> u64 {
        self.inner.log.connection().breaks()
    }

    async fn hear(&self) -> Result<(), Error> {
        let client = self.inner.log.connection().client();
        let said = client.subscribe(subject::ALL_WORKER_HEARTBEATS).await;
        let mut said = said.map_err(|error| Error::Unavailable(error.to_string()))?;
        while let Some(message) = said.next().await {
            if let Ok(beat) = serde_json::from_slice::<WorkerBeat>(&message.payload) {
                self.take(beat);
            }
        }
        Ok(())
    }

    fn take(&self, beat: WorkerBeat) {
        let at = self.now();
        let mut ears = self.ears();
        let last = &mut ears.last;
        last.insert((beat.service, beat.index), WorkerHeard { beat, at });
        if last.len() > MANY {
            last.retain(|_, heard| at.saturating_sub(heard.at) < REMEMBERED);
        }
    }

    /// The last sign of life of a worker, if one was heard here.
    pub fn last(&self, service: ServiceId, index: u32) -> Option<WorkerHeard> {
        self.ears().last.get(&(service, index)).copied()
    }

    /// For how long every sign of life was heard: who did not listen has not heard of anyone.
    pub fn listening(&self) -> Duration {
        let (now, breaks) = (self.now(), self.breaks());
        self.ears().ear.heard_for(now, breaks)
    }

    /// How long ago something was heard.
    pub fn age(&self, heard: &WorkerHeard) -> Duration {
        self.now().saturating_sub(heard.at)
    }

    fn now(&self) -> Duration {
        self.inner.since.elapsed()
    }

    fn ears(&self) -> MutexGuard<'_, Ears> {
        let heard = &self.inner.heard;
        heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
