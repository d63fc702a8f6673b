//! What runs write, on the stream `EAI_LOGS` beside the log: kept for a while, bounded, and no system of record.
//!
//! Each chunk has an offset that its source gives, and that makes an append repeatable at any time. What a job
//! is, and when a run ended, is not known here.

mod follow;
mod frame;
mod read;
mod setup;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use serde_json::json;
use tokio::sync::Mutex;

pub use follow::Follower;
pub use read::Reader;
pub use setup::set_up;

use super::{Connection, direct};
use crate::ids::JobId;
use crate::names::AccountName;
use frame::Frames;

/// The stream.
pub const STREAM: &str = "EAI_LOGS";
/// The most bytes of one chunk.
pub const MAX_CHUNK: usize = 64 * 1024;
/// The bytes of a run's output that are kept at least; what is older than that goes first.
pub const KEPT_OF_A_RUN: u64 = 64 << 20;

/// The subjects of the stream: `eai.log.<organization>.<account>.<job>.<run>`.
const ALL: &str = "eai.log.>";
/// Where it is announced that something was stored: no bytes, only that.
const ALL_ANNOUNCED: &str = "eai.output.>";
/// Runs that are written to at a time.
const WRITTEN_RUNS: u64 = 10_000;

/// Where a chunk comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The run's standard output.
    Stdout,
    /// The run's standard error.
    Stderr,
    /// The platform, about the run.
    Platform,
}

/// Bytes as a run wrote them at once; they may be cut anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it comes from.
    pub stream: Source,
    /// When it was written, in unix milliseconds.
    pub time: u64,
    /// Where its source goes on behind it: more than that of every chunk before it, by its bytes at least.
    pub offset: u64,
    /// What was written: at most [`MAX_CHUNK`] bytes.
    pub bytes: Bytes,
}

/// Where to begin reading a run's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest that is kept.
    Beginning,
    /// At the last so many lines.
    Lines(u64),
    /// Behind the chunk with this offset.
    Behind(u64),
}

/// Why output could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A chunk is larger than a chunk may be; nothing was stored.
    #[error("a chunk of output has {0} bytes; {MAX_CHUNK} are allowed: send it in pieces")]
    TooLarge(usize),
    /// The server cannot be reached, or does not answer.
    #[error("the output of jobs cannot be stored or read now ({0}): try again")]
    Unavailable(String),
    /// What is stored is not what was written.
    #[error(
        "the stored output of {subject} is damaged at {sequence}: what is before and behind it can be read with `--tail`"
    )]
    Damaged {
        /// The run's subject.
        subject: String,
        /// Where in the stream.
        sequence: u64,
    },
}

/// The output of all runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Output {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// May purge the stream, and nothing else.
    cleaner: Connection,
    /// The newest message of each run that this process writes to.
    newest: Cache<String, Arc<Mutex<Option<Newest>>>>,
}

/// A stored message: what its run wrote at about the same time.
#[derive(Clone, Debug)]
struct Stored {
    sequence: u64,
    frames: Frames,
}

/// What must be known of a run's newest message to write behind it.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    /// Its sequence; 0 if there is none.
    sequence: u64,
    /// The offset of its last chunk.
    end: u64,
}

// === impl Output ===

impl Output {
    /// Opens the output on a stream that [`set_up`] found in order. `cleaner` may purge it.
    pub fn open(connection: Connection, cleaner: Connection) -> Self {
        Self {
            inner: Arc::new(Inner {
                connection,
                cleaner,
                newest: Cache::new(WRITTEN_RUNS),
            }),
        }
    }

    /// The first message on a subject at or behind a sequence.
    async fn first_from(&self, subject: &str, sequence: u64) -> Result<Option<Stored>, Error> {
        let request = json!({ "next_by_subj": subject, "seq": sequence.max(1), "batch": 1 });
        Ok(self.get(subject, &request).await?.into_iter().next())
    }

    /// The newest message on a subject.
    async fn newest(&self, subject: &str) -> Result<Option<Stored>, Error> {
        let request = json!({ "multi_last": [subject], "batch": 1 });
        Ok(self.get(subject, &request).await?.into_iter().next())
    }

    async fn get(&self, subject: &str, request: &serde_json::Value) -> Result<Vec<Stored>, Error> {
        let connection = &self.inner.connection;
        connection.until_up().await;
        let (found, _) = direct::get(connection, STREAM, request).await?;
        let read = |message: async_nats::Message| {
            let sequence = direct::number(&message, "Nats-Sequence");
            match Frames::parse(&message.payload) {
                Some(frames) => Ok(Stored { sequence, frames }),
                None => Err(Error::Damaged {
                    subject: subject.to_owned(),
                    sequence,
                }),
            }
        };
        found.into_iter().map(read).collect()
    }

    /// The sequence of the first message that reaches `offset`, or where it will be.
    async fn reaching(&self, subject: &str, offset: u64) -> Result<u64, Error> {
        let Some(newest) = self.newest(subject).await? else {
            return Ok(1);
        };
        if newest.frames.end() < offset {
            return Ok(newest.sequence + 1);
        }
        // What is at or behind `high` reaches it, what is before `low` does not.
        let (mut low, mut high) = (1, newest.sequence);
        while low < high {
            let middle = low.midpoint(high);
            match self.first_from(subject, middle).await? {
                Some(found) if found.frames.end() < offset => low = found.sequence + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

/// Where the output of a run is.
fn subject(account: &AccountName, job: JobId, run: u32) -> String {
    let (organization, account) = (account.organization(), account.token());
    format!("eai.log.{organization}.{account}.{job}.{run}")
}

/// Where it is announced that a run's output grew.
fn announced(account: &AccountName, job: JobId, run: u32) -> String {
    let (organization, account) = (account.organization(), account.token());
    format!("eai.output.{organization}.{account}.{job}.{run}")
}

impl From<super::Error> for Error {
    fn from(error: super::Error) -> Self {
        match error {
            super::Error::Unavailable(reason) => Self::Unavailable(reason),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
