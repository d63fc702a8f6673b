//! What the platform has on the disk, part by part, and what of it could go.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use rustix::fs::statvfs;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{ApiError, Shared};
use crate::auth::Caller;
use crate::content::unused_bytes;

/// How long it may take to find out which contents nothing refers to.
const SEARCH_TIME: Duration = Duration::from_secs(10);
/// Everything that is in no part.
const OTHER: &str = "other";
/// A unit of `st_blocks`.
const BLOCK: u64 = 512;

/// A walk over all files at a time: who asks at once waits.
static WALKS: Semaphore = Semaphore::const_new(1);

/// A part of what the platform keeps.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub part: &'static str,
    /// Where it is.
    pub paths: Vec<PathBuf>,
    /// What makes it smaller.
    pub advice: &'static str,
    /// Whether all of it may go, since it is made anew.
    pub is_spare: bool,
}

/// A part, measured.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Part")]
#[serde(rename_all = "camelCase")]
struct Measured {
    part: &'static str,
    bytes: u64,
    limit_bytes: Option<u64>,
    /// Null where it is not known.
    freeable_bytes: Option<u64>,
    advice: &'static str,
}

/// All of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    data_directory: String,
    bytes: u64,
    /// On the disk; null where that cannot be asked.
    free_bytes: Option<u64>,
    parts: Vec<Measured>,
}

pub(crate) async fn usage(
    State(state): State<Shared>,
    caller: Caller,
) -> Result<Json<Usage>, ApiError> {
    caller.may_here(&state.account)?;
    let root = PathBuf::from(&state.facts.data_directory);
    let free = statvfs(&root).ok();
    let free = free.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let walk = WALKS.acquire().await;
    let places = state.places.clone();
    let walked = tokio::task::spawn_blocking(move || measure(&root, &places));
    let sizes = walked.await.map_err(|error| ApiError::internal(&error))?;
    drop(walk);
    let bytes = sizes.iter().sum();
    let unused = timeout(SEARCH_TIME, unused_bytes(&state)).await;
    let unused = unused.ok().and_then(Result::ok);
    let mut parts: Vec<_> = state
        .places
        .iter()
        .zip(&sizes)
        .map(|(place, bytes)| Measured {
            part: place.part,
            bytes: *bytes,
            limit_bytes: limit(&state, place.part),
            freeable_bytes: match place.part {
                "data" => unused,
                "cache" | "tasks" => None,
                _ => Some(if place.is_spare { *bytes } else { 0 }),
            },
            advice: place.advice,
        })
        .collect();
    parts.push(Measured {
        part: OTHER,
        bytes: sizes.last().copied().unwrap_or_default(),
        limit_bytes: None,
        freeable_bytes: Some(0),
        advice: "",
    });
    parts.extend(images(&state).await);
    Ok(Json(Usage {
        data_directory: state.facts.data_directory.clone(),
        bytes,
        free_bytes: free,
        parts,
    }))
}

fn limit(state: &Shared, part: &str) -> Option<u64> {
    match part {
        "events" => Some(state.log.usage().1),
        "tasks" => Some(state.tasks.log().usage().1),
        "data" => Some(state.contents.objects().max_bytes()),
        _ => None,
    }
}

/// The images of the engine, which are in its own folder; none where jobs run without.
async fn images(state: &Shared) -> Option<Measured> {
    let images = state.images.all().await.ok()?;
    // One may have many names.
    let images: BTreeMap<_, _> = images
        .into_iter()
        .map(|image| (image.id, image.bytes))
        .collect();
    Some(Measured {
        part: "images",
        bytes: images.values().sum(),
        limit_bytes: None,
        freeable_bytes: None,
        advice: "`docker image rm` removes those that no service names; images that share layers count each",
    })
}

/// The bytes of each place, and behind them those of nobody. A file with many names counts once, for the first place
/// that it is met in. What goes away meanwhile counts nothing, and no link is followed.
fn measure(root: &Path, places: &[Place]) -> Vec<u64> {
    let mut sizes = vec![0; places.len() + 1];
    let mut seen = HashSet::new();
    let mut left = vec![(root.to_owned(), places.len())];
    while let Some((path, of)) = left.pop() {
        let Ok(found) = fs::symlink_metadata(&path) else {
            continue;
        };
        let own = places.iter().position(|place| place.paths.contains(&path));
        let of = own.unwrap_or(of);
        let many = found.is_file() && found.nlink() > 1;
        if !many || seen.insert((found.dev(), found.ino())) {
            sizes[of] += found.blocks() * BLOCK;
        }
        if found.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| (entry.path(), of)));
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(part: &'static str, path: PathBuf) -> Place {
        Place {
            part,
            paths: vec![path],
            advice: "",
            is_spare: false,
        }
    }

    #[test]
    fn each_file_counts_once_for_the_part_that_it_is_in() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("views/copies")).unwrap();
        for name in ["views/a.db", "views/copies/1.db", "key"] {
            fs::write(at(name), vec![1; 100_000]).unwrap();
        }
        let places = [
            place("views", at("views")),
            place("copies", at("views/copies")),
        ];
        let before = measure(root.path(), &places);
        assert!(
            before
                .iter()
                .all(|bytes| (100_000..150_000).contains(bytes)),
            "{before:?}"
        );

        fs::hard_link(at("key"), at("key.again")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("large"), vec![1; 1_000_000]).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), at("views/link")).unwrap();
        let after = measure(root.path(), &places);
        assert!(
            after.iter().all(|bytes| (100_000..150_000).contains(bytes)),
            "{after:?}"
        );
        assert_eq!(measure(&at("nowhere"), &places), [0, 0, 0]);
    }
}
