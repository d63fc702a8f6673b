//! One subscription to the engine's events for all containers of an executor.
//!
//! An event only says that it is worth asking: what became of a container is what the engine answers then. Where
//! events may have been missed, everybody is told to ask.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::engine::Engine;
use super::label::{self, EXECUTOR, Owner};

/// How long nothing may come before the engine is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(10);
/// The pause before a subscription is made again.
const PAUSE: Duration = Duration::from_millis(500);

type Senders = Arc<Mutex<HashMap<String, watch::Sender<()>>>>;

/// Tells of changes. Ends with the value.
#[derive(Debug)]
pub(super) struct Watch {
    senders: Senders,
    /// Told where nobody is told of a container, or everybody is.
    stirred: Arc<Notify>,
    /// How often the engine was away.
    breaks: Arc<AtomicU32>,
    task: AbortHandle,
}

// === impl Watch ===

impl Watch {
    pub(super) fn start(engine: &Engine, owner: &Owner) -> Self {
        let senders = Senders::default();
        let stirred = Arc::new(Notify::new());
        let breaks = Arc::default();
        let told = (
            Arc::clone(&senders),
            Arc::clone(&stirred),
            Arc::clone(&breaks),
        );
        let follow = follow(engine.clone(), owner.clone(), told);
        Self {
            senders,
            stirred,
            breaks,
            task: tokio::spawn(follow).abort_handle(),
        }
    }

    /// Waits until something happens that nobody is told of, or may have been missed.
    pub(super) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// How often the engine was away, or silent, so far.
    pub(super) fn breaks(&self) -> u32 {
        self.breaks.load(Ordering::Relaxed)
    }

    /// Told whenever it is worth asking what became of a container.
    pub(super) fn of(&self, container: &str) -> watch::Receiver<()> {
        let mut senders = lock(&self.senders);
        senders.retain(|_, sender| sender.receiver_count() > 0);
        let sender = senders
            .entry(container.to_owned())
            .or_insert_with(|| watch::Sender::new(()));
        sender.subscribe()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(
    engine: Engine,
    owner: Owner,
    (senders, stirred, breaks): (Senders, Arc<Notify>, Arc<AtomicU32>),
) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut since = now.unwrap_or_default().as_secs().to_string();
    loop {
        let mut filters = label::of_platform(&owner.platform);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let seen = ["die", "destroy", "create", "start"].map(str::to_owned);
        filters.insert("event".to_owned(), seen.to_vec());
        // What happened in between comes again, if the engine still knows it.
        let options = EventsOptionsBuilder::new().since(&since).filters(&filters);
        let mut events = engine.docker.events(Some(options.build()));
        tell_all(&senders);
        stirred.notify_one();
        loop {
            match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => {
                    if let Some(time) = event.time {
                        since = time.to_string();
                    }
                    if !tell(&senders, &event) && concerns(&owner, &event) {
                        stirred.notify_one();
                    }
                }
                Err(_) if engine.answers().await => {}
                Ok(Some(Err(_)) | None) | Err(_) => break,
            }
        }
        breaks.fetch_add(1, Ordering::Relaxed);
        tracing::info!("docker.events: the engine's events ended; asking again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether anybody was told.
fn tell(senders: &Senders, event: &EventMessage) -> bool {
    let attributes = event
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    let Some(name) = attributes.and_then(|attributes| attributes.get("name")) else {
        return false;
    };
    let senders = lock(senders);
    let sender = senders
        .get(name)
        .filter(|sender| sender.receiver_count() > 0);
    sender.map(|sender| sender.send_replace(())).is_some()
}

/// Whether it is about a container of this executor, or of nobody.
fn concerns(owner: &Owner, event: &EventMessage) -> bool {
    let attributes = event
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    let executor = attributes.and_then(|attributes| attributes.get(EXECUTOR));
    owner.has(executor.map(String::as_str))
}

fn tell_all(senders: &Senders) {
    for sender in lock(senders).values() {
        sender.send_replace(());
    }
}

fn lock(senders: &Senders) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
    senders.lock().unwrap_or_else(PoisonError::into_inner)
}
