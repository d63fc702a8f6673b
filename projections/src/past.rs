//! The views as they were: a fold up to a sequence in a file of its own, beside the views in use.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use eai_core::log::{Log, Position};
use sqlx::sqlite::SqliteConnection;
use time::OffsetDateTime;
use tokio::sync::{Mutex, watch};

use super::catch_up::catch_up;
use super::fold::Places;
use super::store::{Progress, Shared, Store, Writer};
use super::{Error, Views, checkpoint, database, snapshots};

/// The folder of what is folded for questions about the past, beside the views.
const FOLDER: &str = "past";
/// How many answers are kept for the next question about the same moment.
const KEPT: usize = 4;
/// How many events may be folded for a question without keeping a copy for the next one.
const FAR: u64 = 20_000;

/// The views at a sequence. They are gone once nobody asks them any more.
#[derive(Debug)]
pub struct Past {
    /// For reading, like the views in use.
    pub views: Views,
    /// The sequence that they are at.
    pub sequence: u64,
    /// When the event there was decided; none before the first.
    pub time: Option<OffsetDateTime>,
    scratch: Scratch,
}

impl Past {
    /// The database that they are in. It is removed with this.
    pub fn path(&self) -> &Path {
        &self.scratch.0
    }
}

/// Those that were asked for last, the newest question last. Whoever holds the lock folds: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Pasts(Mutex<Vec<Arc<Past>>>);

/// A file that is removed when nobody needs it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// A name for a file that is not there yet.
    pub(crate) fn new(shared: &Shared) -> Result<Self, Error> {
        Ok(Self(unnamed(&shared.directory)?.with_extension("db")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = database::remove(&self.0) {
            tracing::warn!(%error, "views.past");
        }
    }
}

/// A path at which nothing is, and what is left there is removed at the next start.
pub(crate) fn unnamed(directory: &Path) -> Result<PathBuf, Error> {
    let folder = directory.join(FOLDER);
    database::make_directory(&folder)?;
    Ok(folder.join(uuid::Uuid::new_v4().to_string()))
}

/// Removes what an earlier process left.
pub(crate) fn forget(directory: &Path) {
    // Where it cannot be removed it is only in the way of the disk.
    drop(std::fs::remove_dir_all(directory.join(FOLDER)));
}

impl Store {
    /// The views as they were at a position: a sequence, or the last event that was decided at a time or before it.
    ///
    /// The views in use are neither read nor held up. A sequence that is not there yet is an error.
    pub async fn at(&self, log: &Log, at: Position) -> Result<Arc<Past>, Error> {
        let last = log.last_sequence().await?;
        let sequence = match at {
            Position::Sequence(sequence) if sequence > last => {
                return Err(Error::Future {
                    wanted: sequence,
                    last,
                });
            }
            Position::Sequence(sequence) => sequence,
            Position::Time(time) => before(log, time, last).await?,
        };
        let mut kept = self.shared.pasts.0.lock().await;
        if let Some(place) = kept.iter().position(|past| past.sequence == sequence) {
            let past = kept.remove(place);
            kept.push(Arc::clone(&past));
            return Ok(past);
        }
        let past = Arc::new(fold_from_copy(&self.shared, log, sequence).await?);
        kept.push(Arc::clone(&past));
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
        Ok(past)
    }
}

/// The sequence of the last event that was decided at a time or before it; 0 where there is none.
///
/// Times of neighbours may differ by what commands take, never by more: halving finds a place where they pass it.
async fn before(log: &Log, time: OffsetDateTime, last: u64) -> Result<u64, Error> {
    let (mut at_or_before, mut after) = (0, last + 1);
    while at_or_before + 1 < after {
        let middle = at_or_before + (after - at_or_before) / 2;
        match time_of(log, middle).await? {
            Some(decided) if decided <= time => at_or_before = middle,
            _ => after = middle,
        }
    }
    Ok(at_or_before)
}

/// When an event was decided; what is no event has the time of the one before it.
async fn time_of(log: &Log, sequence: u64) -> Result<Option<OffsetDateTime>, Error> {
    for sequence in (1..=sequence).rev() {
        let Some(event) = log.get(sequence).await? else {
            return Ok(None);
        };
        if let Ok(envelope) = event.envelope() {
            return Ok(Some(envelope.time));
        }
    }
    Ok(None)
}

/// Folds up to a sequence, from the newest copy before it.
async fn fold_from_copy(shared: &Shared, log: &Log, sequence: u64) -> Result<Past, Error> {
    let scratch = Scratch::new(shared)?;
    let copies = &shared.directory;
    let mut connection = match snapshots::restore(copies, log, sequence, scratch.path()).await? {
        Some(connection) => connection,
        None => database::create(scratch.path()).await?,
    };
    let from = checkpoint::read(&mut connection).await?;
    let from = from.map_or(0, |from| from.sequence);
    Box::pin(catch_up(&mut connection, log, sequence, Places::Left, drop)).await?;
    if sequence - from > FAR
        && let Err(error) = snapshots::take(copies, scratch.path()).await
    {
        tracing::warn!(%error, "views.snapshot");
    }
    opened(log, scratch, connection, sequence).await
}

/// Folds up to a sequence from the start of the log, and believes no copy.
pub(crate) async fn fold_from_start(
    shared: &Shared,
    log: &Log,
    sequence: u64,
) -> Result<Past, Error> {
    let scratch = Scratch::new(shared)?;
    let mut connection = database::create(scratch.path()).await?;
    Box::pin(catch_up(
        &mut connection,
        log,
        sequence,
        Places::Noted,
        drop,
    ))
    .await?;
    opened(log, scratch, connection, sequence).await
}

/// Views that are folded, for reading.
async fn opened(
    log: &Log,
    scratch: Scratch,
    mut connection: SqliteConnection,
    sequence: u64,
) -> Result<Past, Error> {
    // Several of them are kept for a while.
    database::rest(&mut connection).await?;
    let (progress, _) = watch::channel(Progress {
        sequence,
        halted: None,
        generation: 0,
    });
    let shared = Shared {
        directory: scratch.path().to_owned(),
        pool: RwLock::new(database::readers(scratch.path()).await?),
        writer: Mutex::new(Writer {
            connection,
            generation: 0,
        }),
        progress,
        rebuilding: Arc::default(),
        pasts: Pasts::default(),
        copy_every: AtomicU64::new(u64::MAX),
    };
    Ok(Past {
        views: Views {
            shared: Arc::new(shared),
        },
        sequence,
        time: match sequence {
            0 => None,
            _ => time_of(log, sequence).await?,
        },
        scratch,
    })
}
