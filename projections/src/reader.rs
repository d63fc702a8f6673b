//! Reading the log's events for a fold: many at a time, and never waiting for one that cannot come.

use std::pin::pin;
use std::time::Duration;

use eai_core::log::{self, Log, Recorded, Subscription};

use super::Error;

/// How many events one transaction may fold.
const BATCH: usize = 1000;
/// How many it may fold of what the log is known to have. Neighbours change the same pages of a database, which are
/// written once for each transaction.
const LONG_BATCH: usize = 5000;
/// How long nothing may come before the log is asked whether there is something.
const SILENCE: Duration = Duration::from_secs(1);

/// Waits for the event after `reached`. Cancel safe.
///
/// The server passes over an event that it cannot read, which shows at the next one only; where it was the
/// last one, nothing would ever come.
pub(crate) async fn next(
    subscription: &mut Subscription,
    log: &Log,
    reached: u64,
) -> Result<Recorded, Error> {
    let mut event = pin!(subscription.next());
    if let Ok(event) = tokio::time::timeout(SILENCE, &mut event).await {
        return Ok(event?);
    }
    // Once is enough: what is stored from now on is announced.
    look(log, reached).await?;
    Ok(event.await?)
}

/// Whether the event after `reached`, if the log has one, can be read.
async fn look(log: &Log, reached: u64) -> Result<(), Error> {
    if !log.connection().is_up() {
        return Ok(());
    }
    let missing = async {
        let last = log.last_sequence().await?;
        Ok(last > reached && log.get(reached + 1).await?.is_none())
    };
    match missing.await {
        Ok(true) => Err(log::Error::Damaged(format!(
            "event {} is in the log's index but cannot be read",
            reached + 1
        ))
        .into()),
        // What comes in the end, or why nothing does, is told by the subscription.
        Ok(false) | Err(log::Error::Unavailable(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is here already goes into the same transaction; an error behind it comes after it.
pub(crate) fn gather(
    first: Recorded,
    subscription: &mut Subscription,
) -> (Vec<Recorded>, Option<Error>) {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        match subscription.ready() {
            Some(Ok(event)) => batch.push(event),
            Some(Err(error)) => return (batch, Some(error.into())),
            None => break,
        }
    }
    (batch, None)
}

/// The events after `reached`, up to `until` where nothing is missing; an error behind them comes after them.
pub(crate) async fn gather_until(
    subscription: &mut Subscription,
    log: &Log,
    reached: u64,
    until: u64,
) -> (Vec<Recorded>, Option<Error>) {
    let mut batch: Vec<Recorded> = Vec::new();
    let mut last = reached;
    while last < until && batch.len() < LONG_BATCH {
        match next(subscription, log, last).await {
            Ok(event) => {
                // Where the log has a gap, this may be beyond the end, and the fold tells of it.
                last = event.sequence;
                batch.push(event);
            }
            Err(error) => return (batch, Some(error)),
        }
    }
    (batch, None)
}
