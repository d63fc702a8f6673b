//! Folding what the log is known to have, up to a sequence: the next events are read while those before are folded.

use eai_core::log::{Log, Position};
use eai_core::subject::ALL_EVENTS;
use sqlx::sqlite::SqliteConnection;

use super::fold::{Places, fold};
use super::{Error, checkpoint, reader};

/// Folds from where the views are up to `until`, and nothing behind it; `reached` is told how far they are after
/// each batch. Answers where the fold is.
pub(crate) async fn catch_up(
    connection: &mut SqliteConnection,
    log: &Log,
    until: u64,
    places: Places,
    mut reached: impl FnMut(u64),
) -> Result<u64, Error> {
    let from = checkpoint::read(connection).await?;
    let mut sequence = from.map_or(0, |from| from.sequence);
    let mut subscription = log.subscribe(ALL_EVENTS, Position::Sequence(sequence + 1));
    let (mut batch, mut broken) =
        reader::gather_until(&mut subscription, log, sequence, until).await;
    while sequence < until {
        let last = batch.last().map_or(sequence, |last| last.sequence);
        let following = async {
            match broken {
                Some(error) => (Vec::new(), Some(error)),
                None => reader::gather_until(&mut subscription, log, last, until).await,
            }
        };
        let (folded, following) = tokio::join!(fold(connection, &batch, places), following);
        let folded = folded?;
        sequence = folded.sequence;
        reached(sequence);
        if let Some(error) = folded.stopped {
            return Err(error);
        }
        (batch, broken) = following;
        if batch.is_empty()
            && let Some(error) = broken.take()
        {
            return Err(error);
        }
    }
    Ok(sequence)
}
