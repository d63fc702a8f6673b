//! Carries a run's output to where everyone can read it, from where that stopped the last time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eai_core::executor::Run as RunId;
use eai_core::log::output::{self, Chunk, Output, Source};
use eai_core::names::AccountName;

use crate::backend::{self, Kind, Running};

/// The most pieces that travel together.
const BATCH: usize = 64;
/// The most bytes that travel together.
const BATCH_BYTES: usize = 256 * 1024;
/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a note may take.
const NOTE_TIME: Duration = Duration::from_secs(5);

/// The offsets that are left to notes: the command's own output comes behind them.
const NOTES: u64 = 64 * 1024;

/// Carries output until the run is over and all of it was carried.
pub(super) async fn carry(output: Output, account: AccountName, run: RunId, running: Running) {
    loop {
        match carry_on(&output, &account, run, &running).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(job = %run.job, %error, "output.retry");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Says something about a run before its command does. Where it can't be stored, or too much was said already, it
/// isn't said.
pub(super) async fn note(output: &Output, account: &AccountName, run: RunId, text: String) {
    let noted = async {
        let end = output.stored(account, run.job, run.run).await?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let offset = end + u64::try_from(text.len()).unwrap_or(NOTES);
        if offset > NOTES {
            return Ok(end);
        }
        let note = Chunk {
            stream: Source::Platform,
            time: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            offset,
            bytes: text.into(),
        };
        output.append(account, run.job, run.run, &[note]).await
    };
    match tokio::time::timeout(NOTE_TIME, noted).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(job = %run.job, %error, "output.note"),
        Err(_) => tracing::debug!(job = %run.job, "output.note: not in time"),
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the output's stream: {0}")]
    Stream(#[from] output::Error),
    #[error("the output's files: {0}")]
    Files(#[from] std::io::Error),
}

async fn carry_on(
    output: &Output,
    account: &AccountName,
    run: RunId,
    running: &Running,
) -> Result<(), Error> {
    // The server may have lost its last moments with its machine.
    let start = output.stored(account, run.job, run.run).await?;
    let mut source = running.output(start.saturating_sub(NOTES));
    while let Some(first) = source.next().await? {
        let mut bytes = first.bytes.len();
        let mut batch = vec![chunk(first)];
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(next) = source.ready()? else { break };
            bytes += next.bytes.len();
            batch.push(chunk(next));
        }
        output.append(account, run.job, run.run, &batch).await?;
    }
    Ok(())
}

fn chunk(from: backend::Chunk) -> Chunk {
    Chunk {
        stream: match from.kind {
            Kind::Stdout => Source::Stdout,
            Kind::Stderr => Source::Stderr,
            Kind::Note => Source::Platform,
        },
        time: from.at,
        offset: NOTES + from.next,
        bytes: from.bytes.into(),
    }
}
