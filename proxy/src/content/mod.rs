//! What is in data: contents on their way in and out, lists of files, and which contents a pusher has shown.
//!
//! It knows digests and bytes. Who may see what is decided by its callers.

mod disk;
pub(crate) mod frames;
mod receive;
mod send;
mod sweep;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eai_core::data::{File, Manifest};
use eai_core::digest::Digest;
use eai_core::ids::DataId;
use eai_core::log::objects::{Error, Objects};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use disk::Disk;

pub(crate) use disk::DiskFull;
pub(crate) use receive::{Broken, receive};
pub(crate) use send::{Asked, send};
pub use sweep::run as sweep;
pub(crate) use sweep::unused_bytes;

/// The memory that lists of files may have, in bytes.
const LISTS: u64 = 64 << 20;
/// What a file in a list takes, about, beside its path.
const FILE_OVERHEAD: usize = 150;
/// Contents that may be remembered as sent and not used yet.
const MOST_SENT: u64 = 500_000;
/// How long a content that was sent may wait for its version.
const SENT_FOR: Duration = Duration::from_hours(12);
/// Requests with contents that are taken in at a time: what each may hold in memory is bounded as well.
const RECEIVERS: usize = 32;

/// The contents of all data.
#[derive(Debug)]
pub struct Contents {
    objects: Objects,
    disk: Disk,
    lists: Cache<Digest, Arc<Manifest>>,
    /// Who sent a content has it. Knowing a digest alone gives nobody the content.
    sent: Cache<(DataId, Digest), ()>,
    receivers: Semaphore,
    /// The log began with an export, which has no contents.
    restored: bool,
}

// === impl Contents ===

impl Contents {
    /// The contents in an object store whose files are in `directory`. Where the log was `restored` from an export, those
    /// of versions from before may be missing.
    pub fn new(objects: Objects, directory: PathBuf, restored: bool) -> Self {
        let weigh = |_: &Digest, list: &Arc<Manifest>| {
            let paths: usize = list.iter().map(|(path, _)| path.as_str().len()).sum();
            u32::try_from(paths + FILE_OVERHEAD * list.len()).unwrap_or(u32::MAX)
        };
        Self {
            objects,
            disk: Disk(directory),
            lists: Cache::builder().weigher(weigh).max_capacity(LISTS).build(),
            sent: Cache::builder()
                .max_capacity(MOST_SENT)
                .time_to_live(SENT_FOR)
                .build(),
            receivers: Semaphore::new(RECEIVERS),
            restored,
        }
    }

    /// The store itself.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// A version's list of files; the empty one where there is no version.
    pub(crate) async fn manifest(&self, digest: Option<Digest>) -> Result<Arc<Manifest>, Error> {
        let Some(digest) = digest else {
            return Ok(Arc::default());
        };
        if let Some(list) = self.lists.get(&digest) {
            return Ok(list);
        }
        let list = Arc::new(self.objects.manifest(digest).await?);
        self.lists.insert(digest, Arc::clone(&list));
        Ok(list)
    }

    /// The list of files that a change is made on. It begins with none where that of the newest version did not come
    /// with the export that the log was restored from.
    pub(crate) async fn base(&self, digest: Option<Digest>) -> Result<Arc<Manifest>, Error> {
        match self.manifest(digest).await {
            Err(Error::Missing(list)) if self.restored => {
                tracing::warn!(%list, "objects.not_restored: a change begins with no files");
                Ok(Arc::default())
            }
            found => found,
        }
    }

    /// Whether a list that is missing is missing because the log was restored.
    pub(crate) fn is_restored(&self) -> bool {
        self.restored
    }

    /// Which of these a pusher has to send: neither in `base`, which it pushes to, nor sent before.
    pub(crate) fn unknown(&self, data: DataId, base: &Manifest, asked: &[Digest]) -> Vec<Digest> {
        let known: HashSet<Digest> = base.iter().map(|(_, file)| file.sha256).collect();
        let is_known =
            |digest: &Digest| known.contains(digest) || self.sent.contains_key(&(data, *digest));
        asked
            .iter()
            .copied()
            .filter(|digest| !is_known(digest))
            .collect()
    }

    fn note_sent(&self, data: DataId, digest: Digest) {
        self.sent.insert((data, digest), ());
    }

    /// What a pusher claimed to have and has to send (again): nothing, mostly.
    pub(crate) async fn absent(
        &self,
        data: DataId,
        base: &Manifest,
        files: impl Iterator<Item = &File>,
    ) -> Result<Vec<Digest>, Error> {
        let digests: HashSet<Digest> = files.map(|file| file.sha256).collect();
        let digests: Vec<Digest> = digests.into_iter().collect();
        let unknown = self.unknown(data, base, &digests);
        if !unknown.is_empty() {
            return Ok(unknown);
        }
        let present = self.objects.present(&digests).await?;
        let absent: Vec<_> = digests
            .into_iter()
            .filter(|digest| !present.contains(digest))
            .collect();
        for digest in &absent {
            // It was swept, because it waited for too long.
            self.sent.invalidate(&(data, *digest));
        }
        Ok(absent)
    }
}
