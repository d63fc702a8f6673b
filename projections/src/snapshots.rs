//! Copies of the views as they were at some sequences, so that a question about the past need not fold from the start.
//!
//! They are only a shortcut: each is checked against the log before it is used, and any may be missing.

use std::fs;
use std::path::{Path, PathBuf};

use eai_core::log::Log;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{Error, checkpoint, database};

/// The folder of the copies, beside the views.
const FOLDER: &str = "snapshots";
/// How many there may be.
const MOST: usize = 16;
/// How many events lie between two at least.
pub(crate) const SPACING: u64 = 5000;

/// The file of a copy.
fn path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(FOLDER).join(format!("{sequence}.db"))
}

/// Where there are copies, oldest first.
fn sequences(directory: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(directory.join(FOLDER)) else {
        return Vec::new();
    };
    let mut found: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_suffix(".db")?.parse().ok()
        })
        .collect();
    found.sort_unstable();
    found
}

/// Whether views that are this far are worth a copy. The longer the log, the rarer, so that their number stays small.
pub(crate) fn is_due(directory: &Path, every: u64, sequence: u64) -> bool {
    let newest = sequences(directory).last().copied().unwrap_or(0);
    sequence >= newest.saturating_add(every.max(sequence / MOST as u64))
}

/// Copies what a connection sees. Others write on meanwhile, and a copy that broke off is never used.
pub(crate) async fn take(
    directory: &Path,
    connection: &mut SqliteConnection,
) -> Result<Option<u64>, Error> {
    let folder = directory.join(FOLDER);
    database::make_directory(&folder)?;
    let unfinished = folder.join(format!("{}.part", uuid::Uuid::new_v4()));
    let copied = copy(&unfinished, connection).await;
    let sequence = match copied {
        Ok(Some(sequence)) => sequence,
        other => {
            database::remove(&unfinished)?;
            return other;
        }
    };
    let place = path(directory, sequence);
    fs::rename(&unfinished, &place).map_err(|source| Error::File {
        path: place,
        source,
    })?;
    thin(directory)?;
    Ok(Some(sequence))
}

/// Writes a copy, and answers how far the views in it are.
pub(crate) async fn copy(
    file: &Path,
    connection: &mut SqliteConnection,
) -> Result<Option<u64>, Error> {
    let name = file.to_str().ok_or_else(|| Error::File {
        path: file.to_owned(),
        source: std::io::Error::other("its name is not UTF-8"),
    })?;
    sqlx::query("VACUUM INTO ?")
        .bind(name)
        .execute(connection)
        .await?;
    let mut copied = database::scratch(file).await?;
    let reached = checkpoint::read(&mut copied).await?;
    database::finish(&mut copied).await?;
    // What is in its write-ahead log goes into the file itself.
    copied.close().await?;
    Ok(reached.map(|reached| reached.sequence))
}

/// Removes copies until there are few, those first that stand closest to others.
fn thin(directory: &Path) -> Result<(), Error> {
    let mut kept = sequences(directory);
    while kept.len() > MOST {
        let gap = |at: usize| {
            let before = at.checked_sub(1).map_or(0, |at| kept[at]);
            kept[at + 1] - before
        };
        // The newest one stays: the next is counted from it.
        let Some(closest) = (0..kept.len() - 1).min_by_key(|at| gap(*at)) else {
            return Ok(());
        };
        database::remove(&path(directory, kept.remove(closest)))?;
    }
    Ok(())
}

/// Removes them all, and what was left unfinished.
pub(crate) fn forget(directory: &Path) -> Result<(), Error> {
    let folder = directory.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File {
            path: folder,
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Puts the newest copy from before a sequence into a file, if there is one that the log agrees with.
pub(crate) async fn restore(
    directory: &Path,
    log: &Log,
    until: u64,
    file: &Path,
) -> Result<Option<SqliteConnection>, Error> {
    let before = sequences(directory).into_iter().rev();
    for sequence in before.filter(|sequence| *sequence <= until) {
        let from = path(directory, sequence);
        if let Err(error) = tokio::fs::copy(&from, file).await {
            // It may have been thinned out in this moment.
            tracing::debug!(sequence, %error, "views.snapshot");
            continue;
        }
        match checked(log, file, sequence).await {
            Ok(connection) => return Ok(Some(connection)),
            Err(error) if error.is_final() => {
                tracing::warn!(sequence, %error, "views.snapshot: not used, and removed");
                database::remove(&from)?;
                database::remove(file)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens a copy whose last event is the one that the log has there.
async fn checked(log: &Log, file: &Path, sequence: u64) -> Result<SqliteConnection, Error> {
    let mut connection = database::usable_scratch(file).await?;
    let reached = checkpoint::resume(&mut connection, log).await?;
    if reached != sequence {
        return Err(Error::Row(format!("it is at {reached}, not at {sequence}")));
    }
    connection
        .execute(AssertSqlSafe("PRAGMA quick_check(1)"))
        .await?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_and_they_are_spread_over_the_log() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        for sequence in (0..1_000_000).step_by(100) {
            if is_due(folder.path(), SPACING, sequence) {
                fs::write(path(folder.path(), sequence), "").unwrap();
                thin(folder.path()).unwrap();
            }
        }
        let kept = sequences(folder.path());
        assert!(kept.len() <= MOST, "{kept:?}");
        let with_start: Vec<u64> = [0].into_iter().chain(kept).collect();
        let widest = with_start.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(widest.unwrap() < 1_000_000 / 6, "{with_start:?}");
    }

    #[test]
    fn a_short_log_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_due(folder.path(), SPACING, SPACING - 1));
        assert!(is_due(folder.path(), SPACING, SPACING));
    }
}
