//! What an earlier platform left behind.

use std::io;
use std::path::Path;

use super::running::Running;
use crate::backend::{Found, State, check_name};
use crate::shim::Files;

/// How the names of trials begin, which are nobody's runs.
pub(super) const TRIAL: &str = "trial-";

/// Every run in a folder, by name. Removes what was being removed.
pub(super) async fn found(folder: &Path) -> io::Result<Vec<Found<Running>>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(".removed-") {
            std::fs::remove_dir_all(entry.path())?;
        } else if check_name(name).is_ok() {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let trial = name.starts_with(TRIAL);
        let files = Files::new(folder.join(&name));
        let looked = look(name, files).await?;
        if !trial {
            found.push(looked);
        } else if looked.state != State::Live {
            let removed = looked.running.remove().await;
            removed.map_err(|error| error.source)?;
        }
    }
    Ok(found)
}

/// Ends and removes every run in a folder: what is left of a platform that runs jobs otherwise by now.
pub async fn sweep(folder: &Path) -> io::Result<usize> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let found = found(folder).await?;
    for run in &found {
        let removed = run.running.remove().await;
        removed.map_err(|error| error.source)?;
    }
    Ok(found.len())
}

/// What there is of one run.
pub(super) async fn look(name: String, files: Files) -> io::Result<Found<Running>> {
    let order = files.order().ok().flatten();
    let limits = order.as_ref().map(|order| order.limits.clone());
    let running = Running::new(name, files.clone(), limits);
    let lives = running.lives().await?;
    // Looked at after the shim, so that an end between the two is seen.
    let state = match (files.exit().ok().flatten(), files.started()) {
        (Some(exit), _) => State::Exited(exit),
        (None, _) if lives => State::Live,
        (None, Ok(None)) => State::Broken,
        (None, _) => State::Lost,
    };
    Ok(Found {
        running,
        metadata: order.map_or(serde_json::Value::Null, |order| order.run.metadata),
        state,
    })
}
