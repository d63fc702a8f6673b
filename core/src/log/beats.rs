//! Signs of life of executors: core NATS messages that nobody stores, and when each was last heard.
//!
//! Not on a stream: who was away for a while may not count what was stored meanwhile, and every stream of the
//! server would write each of them to the disk.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{Error, Log};
use crate::ids::ExecutorId;
use crate::subject;

/// The pause before signs of life are listened to again.
const PAUSE: Duration = Duration::from_millis(200);

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Whose.
    pub executor: ExecutorId,
    /// Its epoch.
    pub epoch: u32,
    /// How many runs it has.
    pub running: u32,
}

/// A sign of life that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it said.
    pub beat: Beat,
    /// When, on the clock of who listens.
    pub at: Duration,
}

/// The last sign of life of each executor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Beats {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Log,
    since: Instant,
    heard: Mutex<HashMap<ExecutorId, Heard>>,
}

impl Log {
    /// Says that an executor is there. Nothing is queued for a server that is away: it would come too late.
    pub async fn beat(&self, beat: Beat) {
        self.say(subject::heartbeat(beat.executor), &beat).await;
    }

    /// Publishes a sign of life that nobody stores.
    pub(super) async fn say(&self, subject: String, beat: &impl Serialize) {
        let connection = self.connection();
        let Ok(payload) = serde_json::to_vec(beat) else {
            return;
        };
        if connection.is_up() {
            let said = connection.client().publish(subject, payload.into()).await;
            if let Err(error) = said {
                tracing::debug!(%error, "log.beat");
            }
        }
    }
}

// === impl Beats ===

impl Beats {
    /// Nothing was heard yet; [`Beats::listen`] listens.
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
                tracing::debug!(%error, "executor.beats");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self) -> Result<(), Error> {
        let client = self.inner.log.connection().client();
        let said = client.subscribe(subject::ALL_HEARTBEATS).await;
        let mut said = said.map_err(|error| Error::Unavailable(error.to_string()))?;
        while let Some(message) = said.next().await {
            if let Ok(beat) = serde_json::from_slice::<Beat>(&message.payload) {
                let at = self.now();
                self.heard().insert(beat.executor, Heard { beat, at });
            }
        }
        Ok(())
    }

    /// The last sign of life of an executor, if one was heard here.
    pub fn last(&self, executor: ExecutorId) -> Option<Heard> {
        self.heard().get(&executor).copied()
    }

    /// How long ago something was heard.
    pub fn age(&self, heard: &Heard) -> Duration {
        self.now().saturating_sub(heard.at)
    }

    /// The time on the clock that `at` is on.
    pub(super) fn now(&self) -> Duration {
        self.inner.since.elapsed()
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<ExecutorId, Heard>> {
        self.inner
            .heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
