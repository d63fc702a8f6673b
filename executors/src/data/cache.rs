//! Which versions are there, which are in use, and which go first when there are too many.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use eai_core::digest::Digest;
use eai_core::log::objects::{self, Objects};

use super::tree;

/// How many versions are kept that no run uses.
const UNUSED: usize = 64;
/// Changes with every boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Versions of data as folders. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    objects: Objects,
    /// One maker at a time for each version, and whoever uses it.
    trees: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

/// A version of data as a folder; it stays as long as this does.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    _used: Arc<tokio::sync::Mutex<()>>,
}

/// Why data could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its contents could not be read.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// A file could not be written.
    #[error("cannot write {path}: {source}. Make room on the disk, or remove what is in the way")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

// === impl Cache ===

impl Cache {
    /// The cache in a folder. What was in it before the machine last booted is thrown away.
    pub(crate) fn open(folder: &Path, objects: Objects) -> Result<Self, Error> {
        let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
        let mark = folder.join("boot");
        if std::fs::read_to_string(&mark).ok().as_deref() != Some(&boot) {
            for name in ["contents", "trees"] {
                remove(&folder.join(name))?;
            }
        }
        for name in ["contents", "trees"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(Error::file(&path))?;
        }
        // What an earlier start did not finish.
        let trees = folder.join("trees");
        let half_made = |path: &PathBuf| path.extension().is_some_and(|end| end == "part");
        for path in entries(&trees).filter(half_made) {
            remove(&path)?;
        }
        std::fs::write(&mark, boot).map_err(Error::file(&mark))?;
        Ok(Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                objects,
                trees: Mutex::default(),
            }),
        })
    }

    /// A version as a folder; made if it isn't there.
    pub(crate) async fn tree(&self, manifest: Digest) -> Result<Tree, Error> {
        let used = self.used(manifest);
        let path = self.inner.folder.join("trees").join(manifest.to_string());
        let making = used.lock().await;
        if path.is_dir() {
            touch(&path);
        } else {
            let contents = self.inner.folder.join("contents");
            tree::make(&self.inner.objects, manifest, &contents, &path).await?;
            self.make_room();
        }
        drop(making);
        Ok(Tree { path, _used: used })
    }

    /// A folder that `make` fills; made if it isn't there.
    pub(crate) async fn made<E: From<Error>>(
        &self,
        key: Digest,
        make: impl AsyncFnOnce(&Path) -> Result<(), E>,
    ) -> Result<Tree, E> {
        let used = self.used(key);
        let path = self.inner.folder.join("trees").join(key.to_string());
        let making = used.lock().await;
        if path.is_dir() {
            touch(&path);
        } else {
            let half_made = path.with_extension("part");
            remove(&half_made)?;
            if let Err(error) = make(&half_made).await {
                remove(&half_made)?;
                return Err(error);
            }
            std::fs::rename(&half_made, &path).map_err(Error::file(&path))?;
            self.make_room();
        }
        drop(making);
        Ok(Tree { path, _used: used })
    }

    fn used(&self, manifest: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut trees = self.lock();
        Arc::clone(trees.entry(manifest).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<tokio::sync::Mutex<()>>>> {
        self.inner
            .trees
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the versions that were unused for longest, and contents that no version has.
    fn make_room(&self) {
        // Held meanwhile, so that none of them comes into use.
        let mut used = self.lock();
        used.retain(|_, tree| Arc::strong_count(tree) > 1);
        let trees = self.inner.folder.join("trees");
        let mut unused: Vec<(SystemTime, PathBuf)> = entries(&trees)
            .filter(|path| {
                let digest = path.file_name().and_then(|name| name.to_str());
                digest
                    .and_then(|text| text.parse().ok())
                    .is_none_or(|digest: Digest| !used.contains_key(&digest))
            })
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .collect();
        unused.sort_unstable();
        let surplus = unused.len().saturating_sub(UNUSED);
        if surplus == 0 {
            return;
        }
        for (_, path) in unused.drain(..surplus) {
            if let Err(error) = remove(&path) {
                tracing::warn!(%error, "cache.remove");
            }
        }
        tree::forget_unlinked(&self.inner.folder.join("contents"));
    }
}

// === impl Tree ===

impl Tree {
    /// Where it is. Nothing in it may be changed.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn touch(path: &Path) {
    let now = SystemTime::now();
    let touched = std::fs::File::open(path).and_then(|folder| folder.set_modified(now));
    if let Err(error) = touched {
        tracing::debug!(%error, "cache.touch");
    }
}

pub(super) fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
