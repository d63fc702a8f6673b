//! Writes the health of queues to the shared folder whenever it is another, for those who read files; and every now
//! and then if it is not, so that its time says that somebody still looks.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use eai_core::health::Health;
use eai_core::ids::ServiceId;
use eai_core::log::Queues;
use eai_core::log::live::{Change, Live};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

/// How often it is looked at whether tasks came or ended, which are no news of the service.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// How old a file may be.
const OLDEST: Duration = Duration::from_secs(10);

type Written = HashMap<ServiceId, (Health, Instant)>;

/// Writes until it is aborted; at once nothing where there is no shared folder.
pub(crate) async fn write_changes(live: Live, queues: Queues) {
    if super::share::folder().is_none() {
        return;
    }
    let mut written = Written::new();
    let mut changes = live.changes();
    let mut ticks = tokio::time::interval(LOOK_PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => look_at_all(&live, &queues, &mut written).await,
            change = changes.recv() => match change {
                Ok(Change::Service(id)) => look_at(id, &queues, &mut written).await,
                // The next look is at all of them.
                Ok(Change::Job(_) | Change::Executor(_)) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

async fn look_at_all(live: &Live, queues: &Queues, written: &mut Written) {
    let services = live.services().into_iter();
    for service in services.filter(|service| service.queue.is_some()) {
        look_at(service.id, queues, written).await;
    }
}

async fn look_at(id: ServiceId, queues: &Queues, written: &mut Written) {
    let Some(facts) = queues.facts(id) else {
        return;
    };
    let Some(path) = queues.health_file(&facts.name) else {
        return;
    };
    let health = facts.health();
    let gist = gist(&health);
    let same = |(before, at): &(Health, Instant)| *before == gist && at.elapsed() < OLDEST;
    if written.get(&id).is_some_and(same) {
        return;
    }
    let wrote = write(Path::new(&path), &health).await;
    queues.written(id, wrote.is_ok());
    // What could not be written is tried again when it is another, or old.
    written.insert(id, (gist, Instant::now()));
    if let Err(error) = wrote {
        // Whoever asks the platform is told all the same.
        tracing::warn!(path, %error, "health.not_written");
    }
}

/// What is no news if it is another.
fn gist(health: &Health) -> Health {
    let mut gist = health.clone();
    gist.timestamp = 0.0;
    for row in &mut gist.worker_health {
        row.heartbeat_age_sec = None;
    }
    gist
}

/// Whole or not at all for whoever reads it.
async fn write(path: &Path, health: &Health) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(health)?;
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let beside = path.with_extension("json.tmp");
    tokio::fs::write(&beside, text + "\n").await?;
    tokio::fs::rename(&beside, path).await
}
