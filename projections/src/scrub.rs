//! Reading the whole log once in the background: damage behind the checkpoint would else go unnoticed for years.

use eai_core::log::chain::Chain;
use eai_core::log::{self, Log, Position};
use eai_core::subject::ALL_EVENTS;
use sqlx::Row;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::checkpoint::number;
use super::store::Shared;

/// How many chain heads are compared at a time.
const PAGE: i64 = 1000;

pub(crate) async fn run(shared: &Shared, log: &Log, stop: &CancellationToken) {
    let found = tokio::select! {
        () = stop.cancelled() => return,
        found = read(shared, log) => found,
    };
    match found {
        Ok(chain) => tracing::info!(
            events = chain.last_sequence(),
            aggregates = chain.aggregates(),
            "log.scrubbed: every event is there and follows the one before"
        ),
        Err(error) if error.is_final() => shared.halt(&error),
        Err(error) => tracing::warn!(%error, "log.scrub: could not be finished"),
    }
}

async fn read(shared: &Shared, log: &Log) -> Result<Chain, Error> {
    let until = shared.progress.borrow().sequence;
    let mut chain = Chain::default();
    let mut subscription = log.subscribe(ALL_EVENTS, Position::START);
    while chain.last_sequence() < until {
        let event = subscription.next().await?;
        chain.follow(&event)?;
        tokio::task::consume_budget().await;
    }
    compare(shared, &chain, until).await?;
    Ok(chain)
}

/// The newest event of an aggregate has none behind it that would show a change: the views remember its hash.
async fn compare(shared: &Shared, chain: &Chain, until: u64) -> Result<(), Error> {
    let mut after = String::new();
    loop {
        let text = "SELECT aggregate, sequence, digest FROM heads \
                    WHERE aggregate > ? AND sequence <= ? ORDER BY aggregate LIMIT ?";
        let rows = sqlx::query(text)
            .bind(&after)
            .bind(number(until))
            .bind(PAGE)
            .fetch_all(&shared.pool())
            .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.try_get("aggregate")?;
        for row in &rows {
            let (key, digest): (&str, &str) = (row.try_get("aggregate")?, row.try_get("digest")?);
            let sequence: i64 = row.try_get("sequence")?;
            if chain
                .head(key)
                .is_none_or(|head| head.to_string() != digest)
            {
                return Err(log::Error::Damaged(format!(
                    "event {sequence} ({key}) is not the one that the views were folded from"
                ))
                .into());
            }
        }
    }
}
