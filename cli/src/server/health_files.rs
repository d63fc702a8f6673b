//! Writes the health of queues to the shared folder whenever it is another, for those who read files.

use std::collections::HashMap;
use std::path::Path;

use eai_core::health::Health;
use eai_core::ids::ServiceId;
use eai_core::log::Queues;
use eai_core::log::live::{Change, Live};
use tokio::sync::broadcast::error::RecvError;

/// Writes until it is aborted; at once nothing where there is no shared folder.
pub(crate) async fn write_changes(live: Live, queues: Queues) {
    if super::share::folder().is_none() {
        return;
    }
    let mut written = HashMap::new();
    let mut changes = live.changes();
    for service in live.services() {
        look_at(service.id, &queues, &mut written).await;
    }
    loop {
        match changes.recv().await {
            Ok(Change::Service(id)) => look_at(id, &queues, &mut written).await,
            Ok(Change::Job(_) | Change::Executor(_)) => {}
            Err(RecvError::Lagged(_)) => {
                for service in live.services() {
                    look_at(service.id, &queues, &mut written).await;
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn look_at(id: ServiceId, queues: &Queues, written: &mut HashMap<ServiceId, Health>) {
    let Some(facts) = queues.facts(id) else {
        return;
    };
    let Some(path) = queues.health_path(&facts.name) else {
        return;
    };
    let health = facts.health();
    let gist = gist(&health);
    if written.get(&id) == Some(&gist) {
        return;
    }
    match write(Path::new(&path), &health).await {
        Ok(()) => drop(written.insert(id, gist)),
        // Whoever asks the platform is told all the same.
        Err(error) => tracing::warn!(path, %error, "health.not_written"),
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
