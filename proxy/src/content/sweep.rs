//! Once an hour, what was sent a day ago and never used is swept from the object store.

use std::collections::HashSet;
use std::time::Duration;

use eai_core::digest::Digest;
use eai_core::log::objects::{Error, Live, Swept};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::api::Shared;

/// How often it is looked for.
const EVERY: Duration = Duration::from_hours(1);
/// How long a content may wait to be used.
const AGE: time::Duration = time::Duration::hours(24);
/// How long the views may take to have what the log has.
const PATIENCE: Duration = Duration::from_secs(10);

/// What versions refer to, as far as it is known.
struct Used<'a> {
    platform: &'a Shared,
    digests: HashSet<Digest>,
    /// The sequence up to which versions were looked at.
    sequence: u64,
}

/// Sweeps until `stop`.
pub async fn run(platform: Shared, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = sweep(&platform) => swept,
        };
        match swept {
            Ok(swept) => tracing::debug!(?swept, "objects.sweep"),
            Err(error) => tracing::warn!(%error, "objects.sweep"),
        }
    }
}

async fn sweep(platform: &Shared) -> Result<Swept, Error> {
    let before = OffsetDateTime::now_utc() - AGE;
    let objects = platform.contents.objects();
    objects.sweep(before, &mut Used::of(platform)).await
}

/// The bytes of contents that nothing refers to.
pub(crate) async fn unused_bytes(platform: &Shared) -> Result<u64, Error> {
    let objects = platform.contents.objects();
    objects.unused_bytes(&mut Used::of(platform)).await
}

// === impl Used ===

impl<'a> Used<'a> {
    fn of(platform: &'a Shared) -> Self {
        Self {
            platform,
            digests: HashSet::new(),
            sequence: 0,
        }
    }
}

impl Live for Used<'_> {
    /// Takes up every version that the log has by now.
    async fn digests(&mut self) -> Result<HashSet<Digest>, Error> {
        let platform = self.platform;
        let views = &platform.views;
        let failed = |error: &dyn std::fmt::Display| Error::Unavailable(error.to_string());
        let last = platform.log.last_sequence().await?;
        views
            .until(last, PATIENCE)
            .await
            .map_err(|error| failed(&error))?;
        let (manifests, sequence) = views
            .manifests(self.sequence)
            .await
            .map_err(|error| failed(&error))?;
        for manifest in manifests {
            if self.digests.insert(manifest) {
                let contents = &platform.contents;
                let list = match contents.objects().manifest(manifest).await {
                    // Nothing of it is there that could be swept.
                    Err(Error::Missing(_)) if contents.is_restored() => continue,
                    list => list?,
                };
                self.digests
                    .extend(list.iter().map(|(_, file)| file.sha256));
            }
        }
        self.sequence = sequence;
        // What tasks carry goes with them, so it is asked for anew.
        let newest = platform.tasks.log().newest_sequence().await?;
        if !platform.tasks.until(newest, PATIENCE).await {
            return Err(failed(&"the tasks are behind their log"));
        }
        let tasks = platform.tasks.objects();
        Ok(self.digests.iter().copied().chain(tasks).collect())
    }
}
