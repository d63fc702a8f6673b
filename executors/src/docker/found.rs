//! What an earlier platform left behind.

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use serde_json::Value;

use super::engine::{Engine, Error, SLOW, call, until_answered};
use super::error::StartError;
use super::label::{self, Label};
use super::marks;
use super::running::{Running, remove};
use super::start::Settings;
use super::state::{Seen, Status, look};
use crate::backend::{Found, State};

/// The ids of every container of a platform.
pub(super) async fn containers(engine: &Engine, platform: &str) -> Result<Vec<String>, Error> {
    let listed = list(engine, platform).await?;
    Ok(listed.into_iter().filter_map(|found| found.id).collect())
}

/// Every container of a platform that is a run's: its id, and what was kept with it. Changes nothing.
pub(super) async fn runs(engine: &Engine, platform: &str) -> Result<Vec<(String, Value)>, Error> {
    let listed = list(engine, platform).await?;
    let of_runs = listed.into_iter().filter_map(|found| {
        let labels = found.labels.unwrap_or_default();
        Label::read(&labels)?;
        Some((found.id?, label::metadata(&labels)))
    });
    Ok(of_runs.collect())
}

async fn list(engine: &Engine, platform: &str) -> Result<Vec<ContainerSummary>, Error> {
    let listed = || async {
        let filters = label::of_platform(platform);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let listed = engine.docker.list_containers(Some(options.build()));
        call("list containers", SLOW, listed).await
    };
    until_answered(listed).await
}

/// Every run of a platform, by name. Removes what is no run.
pub(super) async fn found(
    engine: &Engine,
    settings: &Settings,
    running: impl Fn(&Seen) -> Result<Running, StartError>,
) -> Result<Vec<Found<Running>>, Error> {
    let mut found = Vec::new();
    for id in containers(engine, &settings.platform).await? {
        let Some(seen) = look(engine, &id).await? else {
            continue;
        };
        let Ok(running) = running(&seen) else {
            tracing::info!(
                id,
                "docker.stray: it has the platform's label and is no run"
            );
            remove(engine, &id).await?;
            continue;
        };
        found.push(Found {
            running,
            metadata: seen.metadata,
            state: match seen.status {
                Status::Made => State::Broken,
                Status::Runs => State::Live,
                Status::Ended(exit) => State::Exited(exit),
            },
        });
    }
    found.sort_by(|one, other| one.running.name().cmp(other.running.name()));
    let names: Vec<_> = found.iter().map(|found| found.running.name()).collect();
    marks::keep_only(&settings.marks, &names);
    Ok(found)
}
