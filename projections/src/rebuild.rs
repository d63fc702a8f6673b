//! Folding the whole log anew, beside the views in use, and swapping the result in.

use eai_core::log::{Log, Position};
use eai_core::subject::ALL_EVENTS;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::store::{Shared, Writer};
use super::{Error, checkpoint, database, fold, reader};

/// What a rebuild read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// How many events were folded.
    pub events: u64,
    /// Where the views are now.
    pub sequence: u64,
}

pub(crate) async fn run(shared: &Shared, log: &Log) -> Result<Rebuilt, Error> {
    let _one = shared.rebuilding.lock().await;
    let generation = shared.progress.borrow().generation + 1;
    let in_use = generation - 1;
    // What an earlier rebuild left behind was never in use. Of the views before, a reader may still be
    // opening the file.
    let unused = |found| found > in_use || found + 1 < in_use;
    database::make_directory(&shared.directory)?;
    database::forget(&shared.directory, unused)?;
    let path = database::path(&shared.directory, generation);
    let mut connection = database::create(&path).await?;
    let folded = async {
        fold_until(&mut connection, log, log.last_sequence().await?).await?;
        // The projector waits now, so the rest is short and nothing comes in between.
        let mut writer = shared.writer.lock().await;
        let sequence = fold_until(&mut connection, log, log.last_sequence().await?).await?;
        database::finish(&mut connection).await?;
        let pool = database::readers(&path).await?;
        Ok::<_, Error>((
            writer_swap(&mut writer, connection, generation),
            pool,
            sequence,
        ))
    };
    match folded.await {
        Ok((old, pool, sequence)) => {
            shared.swap_pool(pool);
            shared.progress.send_modify(|now| {
                now.sequence = sequence;
                now.halted = None;
                now.generation = generation;
            });
            if let Err(error) = old.close().await {
                tracing::debug!(%error, "views.close");
            }
            Ok(Rebuilt {
                events: sequence,
                sequence,
            })
        }
        Err(error) => {
            database::forget(&shared.directory, unused)?;
            Err(error)
        }
    }
}

fn writer_swap(
    writer: &mut Writer,
    connection: SqliteConnection,
    generation: u64,
) -> SqliteConnection {
    writer.generation = generation;
    std::mem::replace(&mut writer.connection, connection)
}

/// Folds up to a sequence; answers where the fold is.
async fn fold_until(
    connection: &mut SqliteConnection,
    log: &Log,
    until: u64,
) -> Result<u64, Error> {
    let mut reached = checkpoint::read(connection)
        .await?
        .map_or(0, |found| found.sequence);
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(reached + 1));
    while reached < until {
        let first = reader::next(&mut subscription, log, reached).await?;
        let (batch, broken) = reader::gather(first, &mut subscription);
        let folded = fold::fold(connection, &batch).await?;
        reached = folded.sequence;
        if let Some(error) = folded.stopped.or(broken) {
            return Err(error);
        }
    }
    Ok(reached)
}
