//! Making one folder: contents fetched by digest, several at a time, and linked to where they belong.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use eai_core::data::File;
use eai_core::digest::Digest;
use eai_core::log::objects::Objects;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::cache::{Error, entries, remove};

/// Contents on their way at a time.
const AT_ONCE: usize = 16;

/// Makes the folder of a version at `path`, which appears only once it is complete.
pub(super) async fn make(
    objects: &Objects,
    manifest: Digest,
    contents: &Path,
    path: &Path,
) -> Result<(), Error> {
    let files = objects.manifest(manifest).await?;
    let wanted: BTreeMap<PathBuf, File> = files
        .iter()
        .map(|(_, file)| (contents.join(content_name(file)), *file))
        .collect();
    let missing = wanted.into_iter().filter(|(content, _)| !content.exists());
    stream::iter(missing)
        .map(|(content, file)| async move {
            objects.fetch(file.sha256, &content).await?;
            let mode = if file.executable { 0o555 } else { 0o444 };
            std::fs::set_permissions(&content, Permissions::from_mode(mode))
                .map_err(Error::file(&content))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;

    let half_made = path.with_extension("part");
    remove(&half_made)?;
    folder(&half_made)?;
    for (name, file) in files.iter() {
        let target = half_made.join(name.as_str());
        if let Some(parent) = target.parent() {
            folder(parent)?;
        }
        let content = contents.join(content_name(file));
        std::fs::hard_link(&content, &target).map_err(Error::file(&target))?;
    }
    std::fs::rename(&half_made, path).map_err(Error::file(path))
}

/// A mode belongs to a content and not to a link, so the same bytes are kept once for each mode.
fn content_name(file: &File) -> String {
    let suffix = if file.executable { ".x" } else { "" };
    format!("{}{suffix}", file.sha256)
}

/// Makes a folder that everyone may read, whatever the umask.
fn folder(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
        folder(parent)?;
    }
    std::fs::create_dir(path).map_err(Error::file(path))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(Error::file(path))
}

/// Removes contents that no folder has a link to.
pub(super) fn forget_unlinked(contents: &Path) {
    for content in entries(contents) {
        let unlinked = content.metadata().is_ok_and(|found| found.nlink() == 1);
        if unlinked && let Err(error) = std::fs::remove_file(&content) {
            tracing::warn!(%error, "cache.remove");
        }
    }
}
