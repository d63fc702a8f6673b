//! Reading the whole log once in the background: damage behind the checkpoint would else go unnoticed for years.

use std::time::Duration;

use eai_core::log::chain::Chain;
use eai_core::log::{Log, Position};
use eai_core::subject::ALL_EVENTS;
use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use tokio_util::sync::CancellationToken;

use super::database::Generation;
use super::store::Shared;
use super::{Error, reader};

/// How many chain heads are compared at a time.
const PAGE: i64 = 1000;
/// The first pause before a scrub that was broken off goes on.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the views were when the scrub began: it says nothing about others.
struct Scrub<'a> {
    shared: &'a Shared,
    pool: SqlitePool,
    generation: Generation,
    until: u64,
}

pub(crate) async fn run(shared: &Shared, log: &Log, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = scrub(shared, log) => {}
    }
}

async fn scrub(shared: &Shared, log: &Log) {
    let scrub = {
        let now = shared.progress.borrow();
        Scrub {
            shared,
            pool: shared.pool(),
            generation: now.generation,
            until: now.sequence,
        }
    };
    let mut chain = Chain::default();
    let mut pause = SHORTEST_PAUSE;
    loop {
        match scrub.go_on(log, &mut chain).await {
            // What halted the views lies behind what was read, and was told.
            Ok(()) if scrub.shared.progress.borrow().halted.is_some() => return,
            Ok(()) => {
                tracing::info!(
                    events = chain.last_sequence(),
                    aggregates = chain.aggregates(),
                    "log.scrubbed: every event is there and follows the one before"
                );
                return;
            }
            Err(error) if error.is_final() => {
                return scrub.shared.halt(scrub.generation, &error);
            }
            Err(error) => {
                tracing::warn!(%error, "log.scrub: goes on later");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Scrub<'_> {
    /// Reads on from where the chain is.
    async fn go_on(&self, log: &Log, chain: &mut Chain) -> Result<(), Error> {
        // Views that are ahead of the log are the projector's to halt.
        let until = self.until.min(log.last_sequence().await?);
        let mut subscription =
            log.subscribe(ALL_EVENTS, Position::Sequence(chain.last_sequence() + 1));
        while chain.last_sequence() < until {
            let event = reader::next(&mut subscription, log, chain.last_sequence()).await?;
            chain.follow(&event)?;
            tokio::task::consume_budget().await;
        }
        self.compare(chain).await
    }

    /// The newest event of an aggregate has none behind it that would show a change: the views remember its hash.
    async fn compare(&self, chain: &Chain) -> Result<(), Error> {
        let mut after = String::new();
        let mut known = 0;
        loop {
            let text = "SELECT aggregate, sequence, digest FROM heads \
                        WHERE aggregate > ? ORDER BY aggregate LIMIT ?";
            let rows = sqlx::query(text)
                .bind(&after)
                .bind(PAGE)
                .fetch_all(&self.pool)
                .await?;
            let Some(last) = rows.last() else {
                break;
            };
            after = last.try_get("aggregate")?;
            for row in &rows {
                let key: &str = row.try_get("aggregate")?;
                let sequence: i64 = row.try_get("sequence")?;
                let head = chain.head(key).map(|head| head.to_string());
                known += usize::from(head.is_some());
                // Later ones came after the scrub began, and were checked when they were folded.
                let covered =
                    u64::try_from(sequence).is_ok_and(|sequence| sequence <= chain.last_sequence());
                if covered && head.as_deref() != Some(row.try_get("digest")?) {
                    return Err(differs(&format!(
                        "event {sequence} ({key}) is not the one that the views were folded from"
                    )));
                }
            }
        }
        if known < chain.aggregates() {
            let missing = chain.aggregates() - known;
            return Err(differs(&format!(
                "the views lack {missing} thing(s) that are in the log"
            )));
        }
        Ok(())
    }
}

fn differs(what: &str) -> Error {
    Error::Mismatch(format!(
        "{what}: the log was changed, or the views were. Restore the data directory from a copy; or, to go on \
         with what the log has, run `eai server rebuild`"
    ))
}
