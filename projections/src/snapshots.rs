//! Copies of the views as they were at some sequences, so that a question about the past need not fold from the start.
//!
//! They are only a shortcut: each is checked against the log before it is used, and any may be missing.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use eai_core::log::Log;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::fold::PLACES;
use super::{Error, checkpoint, database, past};

/// The folder of the copies, beside the views.
const FOLDER: &str = "snapshots";
/// How many there may be.
const MOST: usize = 64;
/// How many there may be where they take more room than that.
const FEW: usize = 16;
/// How many bytes they may take where they are more than a few.
const ROOM: u64 = 1 << 30;
/// How hard they are compressed: what lasts longer gains little.
const LEVEL: i32 = 1;
/// How many events lie between two at least.
pub(crate) const SPACING: u64 = 5000;

/// The file of a copy.
fn path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(FOLDER).join(format!("{sequence}.zst"))
}

/// Where there are copies, oldest first.
fn sequences(directory: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(directory.join(FOLDER)) else {
        return Vec::new();
    };
    let mut found: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_suffix(".zst")?.parse().ok()
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

/// Copies views. Others write to them meanwhile, and a copy that broke off is never used.
pub(crate) async fn take(directory: &Path, views: &Path) -> Result<Option<u64>, Error> {
    let folder = directory.join(FOLDER);
    database::make_directory(&folder)?;
    let unfinished = folder.join(format!("{}.part", uuid::Uuid::new_v4()));
    let packed = unfinished.with_extension("packed");
    let taken = async {
        let sequence = copy_rows(&unfinished, views).await?;
        if let Some(sequence) = sequence {
            pack(&unfinished, &packed).await?;
            let place = path(directory, sequence);
            let renamed = fs::rename(&packed, &place);
            renamed.map_err(|source| Error::File {
                path: place,
                source,
            })?;
            thin(directory)?;
        }
        Ok(sequence)
    };
    let taken = taken.await;
    for left in [unfinished, packed] {
        database::remove(&left)?;
    }
    taken
}

/// Compresses a copy: its rows have much in common.
async fn pack(file: &Path, packed: &Path) -> Result<(), Error> {
    let pack = |from: &File, to: &File| zstd::stream::copy_encode(from, to, LEVEL);
    through(file, packed, pack).await
}

async fn unpack(packed: &Path, file: &Path) -> Result<(), Error> {
    let unpack = |from: &File, to: &File| zstd::stream::copy_decode(from, to);
    match through(packed, file, unpack).await {
        // What the disk has against it has another kind.
        Err(Error::File { source, .. })
            if matches!(source.kind(), ErrorKind::Other | ErrorKind::UnexpectedEof) =>
        {
            Err(Error::Row(format!("it cannot be unpacked: {source}")))
        }
        other => other,
    }
}

/// Writes a file that is made from another one.
async fn through(
    from: &Path,
    to: &Path,
    make: impl FnOnce(&File, &File) -> io::Result<()> + Send + 'static,
) -> Result<(), Error> {
    let failed = |source| Error::File {
        path: from.to_owned(),
        source,
    };
    let (from, to) = (from.to_owned(), to.to_owned());
    let made = move || make(&File::open(from)?, &File::create(to)?);
    let made = tokio::task::spawn_blocking(made).await;
    made.unwrap_or_else(|error| Err(error.into()))
        .map_err(failed)
}

/// Writes a copy of what questions about the past are answered from, and answers how far the views in it are.
async fn copy_rows(file: &Path, views: &Path) -> Result<Option<u64>, Error> {
    let mut copied = database::create(file).await?;
    database::attach(&mut copied, views, "views").await?;
    // All tables as they are at one moment.
    let mut transaction = copied.begin().await?;
    for name in database::tables(&mut transaction).await? {
        // Where events are is the same at any time, and as long as the log.
        if name != PLACES {
            let text = format!("INSERT INTO main.{name} SELECT * FROM views.{name}");
            transaction.execute(AssertSqlSafe(text)).await?;
        }
    }
    transaction.commit().await?;
    finished(copied).await
}

/// Says that a copy is whole, and answers how far the views in it are.
async fn finished(mut copied: SqliteConnection) -> Result<Option<u64>, Error> {
    let reached = checkpoint::read(&mut copied).await?;
    database::finish(&mut copied).await?;
    // What is in its write-ahead log goes into the file itself.
    copied.close().await?;
    Ok(reached.map(|reached| reached.sequence))
}

/// Writes a copy with everything in it, and answers how far the views in it are.
pub(crate) async fn copy(
    file: &Path,
    connection: &mut SqliteConnection,
) -> Result<Option<u64>, Error> {
    let name = file.to_str().ok_or_else(|| Error::File {
        path: file.to_owned(),
        source: io::Error::other("its name is not UTF-8"),
    })?;
    sqlx::query("VACUUM INTO ?")
        .bind(name)
        .execute(connection)
        .await?;
    finished(database::scratch(file).await?).await
}

/// Removes copies until there are few, those first that stand closest to others.
fn thin(directory: &Path) -> Result<(), Error> {
    let mut kept = sequences(directory);
    while kept.len() > MOST || kept.len() > FEW && bytes(directory, &kept) > ROOM {
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

/// The room that copies take.
fn bytes(directory: &Path, copies: &[u64]) -> u64 {
    let sizes = copies
        .iter()
        .map(|copy| fs::metadata(path(directory, *copy)));
    sizes.flatten().map(|metadata| metadata.len()).sum()
}

/// Removes them all, and what was left unfinished.
pub(crate) fn forget(directory: &Path) -> Result<(), Error> {
    let folder = directory.join(FOLDER);
    // Out of the way first: where one is being made, a file may come while the others are removed.
    let away = past::unnamed(directory)?;
    let removed = match fs::rename(&folder, &away) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::remove_dir_all(&away),
    };
    removed.map_err(|source| Error::File {
        path: folder,
        source,
    })
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
        let opened = match unpack(&from, file).await {
            Ok(()) => checked(log, file, sequence).await,
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                // It was thinned out in this moment.
                continue;
            }
            Err(error) => Err(error),
        };
        match opened {
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
        assert!(widest.unwrap() < 1_000_000 / 24, "{with_start:?}");
    }

    #[test]
    fn a_short_log_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_due(folder.path(), SPACING, SPACING - 1));
        assert!(is_due(folder.path(), SPACING, SPACING));
    }
}
