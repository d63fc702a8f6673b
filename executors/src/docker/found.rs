//! What an earlier platform left behind.

use std::collections::HashMap;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use serde_json::Value;

use super::engine::{Engine, Error, SLOW, call, until_answered};
use super::error::StartError;
use super::label::{self, EXECUTOR, Label, Owner};
use super::marks;
use super::running::{Running, remove};
use super::start::Settings;
use super::state::{Seen, Status, look};
use crate::backend::{Found, State};

/// A run of the platform that is on the engine, whosever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct There {
    /// The container's id.
    pub id: String,
    /// What was kept with it.
    pub metadata: Value,
    /// Another executor of the platform, if it is one's.
    pub other: Option<String>,
}

/// The ids of an executor's containers.
pub(super) async fn containers(engine: &Engine, owner: &Owner) -> Result<Vec<String>, Error> {
    let listed = list(engine, label::of_platform(&owner.platform)).await?;
    let own = listed.into_iter().filter(|found| {
        let labels = found.labels.as_ref();
        let executor = labels.and_then(|labels| labels.get(EXECUTOR));
        owner.has(executor.map(String::as_str))
    });
    Ok(own.filter_map(|found| found.id).collect())
}

/// Whether a platform has no container, of whichever executor.
pub(super) async fn is_empty(engine: &Engine, platform: &str) -> Result<bool, Error> {
    let listed = list(engine, label::of_platform(platform)).await?;
    Ok(listed.is_empty())
}

/// Every container of a platform that is a run's. Changes nothing.
pub(super) async fn runs(engine: &Engine, owner: &Owner) -> Result<Vec<There>, Error> {
    let listed = list(engine, label::of_platform(&owner.platform)).await?;
    let of_runs = listed.into_iter().filter_map(|found| {
        let labels = found.labels.unwrap_or_default();
        Label::read(&labels)?;
        let executor = labels.get(EXECUTOR).cloned();
        Some(There {
            id: found.id?,
            metadata: label::metadata(&labels),
            other: executor.filter(|executor| !owner.has(Some(executor))),
        })
    });
    Ok(of_runs.collect())
}

/// The containers of earlier claims of a run's job that go on, or may yet, of whichever executor.
pub(super) async fn earlier(
    engine: &Engine,
    platform: &str,
    run: &Label,
) -> Result<Vec<String>, Error> {
    let listed = list(engine, label::unended_of_job(platform, &run.job)).await?;
    let earlier = listed.into_iter().filter_map(|found| {
        let label = Label::read(&found.labels.unwrap_or_default())?;
        (label.job == run.job && label.claim < run.claim).then_some(found.id?)
    });
    Ok(earlier.collect())
}

async fn list(
    engine: &Engine,
    filters: HashMap<String, Vec<String>>,
) -> Result<Vec<ContainerSummary>, Error> {
    let listed = || async {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let listed = engine.docker.list_containers(Some(options.build()));
        call("list containers", SLOW, listed).await
    };
    until_answered(listed).await
}

/// Every run of an executor, by name. Removes what is no run.
pub(super) async fn found(
    engine: &Engine,
    settings: &Settings,
    running: impl Fn(&Seen) -> Result<Running, StartError>,
) -> Result<Vec<Found<Running>>, Error> {
    let mut found = Vec::new();
    for id in containers(engine, &settings.owner).await? {
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
    keep_gateways(settings, &names).await;
    Ok(found)
}

/// Ends the shims of workers whose containers are gone.
pub(super) async fn keep_gateways(settings: &Settings, names: &[&str]) {
    if let Err(error) = settings.gateways().keep_only(names).await {
        tracing::warn!(%error, "docker.gateway: shims of workers that are gone are left");
    }
}
