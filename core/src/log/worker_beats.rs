//! Signs of life of queue workers: core NATS messages that nobody stores, and when each was last heard.
//!
//! The executor that has a worker gives them for it, as long as the worker gives its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{Error, Log};
use crate::ids::{JobId, ServiceId};
use crate::subject;

/// The pause before signs of life are listened to again.
const PAUSE: Duration = Duration::from_millis(200);
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
    since: Instant,
    heard: Mutex<Ears>,
}

#[derive(Debug, Default)]
struct Ears {
    /// Since when nothing is missed.
    listening: Option<Duration>,
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
                since: Instant::now(),
                heard: Mutex::default(),
            }),
        }
    }

    /// Listens for ever.
    pub async fn listen(&self) -> Infallible {
        loop {
            if let Err(error) = self.hear().await {
                tracing::debug!(%error, "worker.beats");
            }
            self.ears().listening = None;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self) -> Result<(), Error> {
        let client = self.inner.log.connection().client();
        let said = client.subscribe(subject::ALL_WORKER_HEARTBEATS).await;
        let mut said = said.map_err(|error| Error::Unavailable(error.to_string()))?;
        self.ears().listening = Some(self.now());
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
        let since = self
            .ears()
            .listening
            .filter(|_| self.inner.log.connection().is_up());
        since.map_or(Duration::ZERO, |since| self.now().saturating_sub(since))
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
