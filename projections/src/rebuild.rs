//! Folding the whole log anew, beside the views in use, and swapping the result in.

use std::path::Path;
use std::sync::Arc;

use eai_core::log::Log;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::catch_up::catch_up;
use super::copying::Copying;
use super::database::Generation;
use super::fold::Places;
use super::store::Shared;
use super::{Error, database, snapshots};

/// What a rebuild read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many events were folded.
    pub events: u64,
    /// Where the views are now.
    pub sequence: u64,
}

/// Dropped before the swap begins, it changes nothing; the swap itself runs to its end.
pub(crate) async fn run(shared: &Arc<Shared>, log: &Log) -> Result<Rebuilt, Error> {
    let one = Arc::clone(&shared.rebuilding).lock_owned().await;
    let generation = shared.progress.borrow().generation + 1;
    // What an earlier rebuild left behind was never in use. Of the views before, a reader may still be
    // opening the file.
    database::make_directory(&shared.directory)?;
    forget_unused(shared, generation)?;
    let path = database::path(&shared.directory, generation);
    let mut connection = database::create(&path).await?;
    // Copies of views that are not believed any more are not either: this fold makes them anew as it goes.
    snapshots::forget(&shared.directory)?;
    if let Err(error) = fold_all(shared, &mut connection, &path, log).await {
        forget_unused(shared, generation)?;
        return Err(error);
    }
    let (shared, log) = (Arc::clone(shared), log.clone());
    // Views that are finished on the disk and not in use would be the ones of the next start.
    let swapping = tokio::spawn(async move {
        let swapped = swap(&shared, &log, connection, generation).await;
        if swapped.is_err() {
            forget_unused(&shared, generation)?;
        }
        drop(one);
        swapped
    });
    match swapping.await {
        Ok(swapped) => swapped,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is about to end.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Folds the rest, and puts the new views in the place of those in use.
async fn swap(
    shared: &Arc<Shared>,
    log: &Log,
    mut connection: SqliteConnection,
    generation: Generation,
) -> Result<Rebuilt, Error> {
    // The projector waits now, so the rest is short and nothing comes in between.
    let mut writer = shared.writer.lock().await;
    let path = database::path(&shared.directory, generation);
    let sequence = fold_all(shared, &mut connection, &path, log).await?;
    database::finish(&mut connection).await?;
    let pool = database::readers(&path).await?;
    writer.generation = generation;
    let old = std::mem::replace(&mut writer.connection, connection);
    shared.swap_pool(pool);
    shared.progress.send_modify(|now| {
        now.sequence = sequence;
        now.halted = None;
        now.generation = generation;
    });
    drop(writer);
    if let Err(error) = old.close().await {
        tracing::debug!(%error, "views.close");
    }
    Ok(Rebuilt {
        events: sequence,
        sequence,
    })
}

/// Removes the files of all views but those in use before `generation`, and those before these.
fn forget_unused(shared: &Shared, generation: Generation) -> Result<(), Error> {
    let in_use = generation - 1;
    let unused = |found| found > in_use || found + 1 < in_use;
    database::forget(&shared.directory, unused)
}

/// Folds up to where the log ends now into the file at `path`; answers where the fold is.
async fn fold_all(
    shared: &Arc<Shared>,
    connection: &mut SqliteConnection,
    path: &Path,
    log: &Log,
) -> Result<u64, Error> {
    let until = log.last_sequence().await?;
    let mut copying = Copying::of_rebuilt(shared, path.to_owned());
    let reached = |sequence| copying.at(sequence);
    let folded = Box::pin(catch_up(connection, log, until, Places::Noted, reached)).await;
    copying.finish().await;
    folded
}
