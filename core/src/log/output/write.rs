//! Appending: behind the run's newest message or not at all, so that nothing is stored twice, however late.
//!
//! A publish without an answer may still land. It never harms: it carries its expectation, and the next append
//! finds what it stored.

use std::sync::Arc;

use async_nats::HeaderMap;
use serde_json::json;

use super::frame::Frames;
use super::{Chunk, Error, KEPT_OF_A_RUN, MAX_CHUNK, Newest, Output, STREAM, Stored};
use crate::ids::JobId;
use crate::log::publish::{Published, read_ack};
use crate::names::AccountName;

/// The most bytes of one message.
pub(super) const MAX_MESSAGE: usize = 4 * MAX_CHUNK;
/// The most chunks of one message, however short.
const MAX_CHUNKS: usize = 1024;
/// How far a run's output grows between two looks at what is too much of it.
const TRIM_STEP: u64 = KEPT_OF_A_RUN / 8;
/// How often others may come first.
const MOST_CONFLICTS: u32 = 16;

impl Output {
    /// Stores what of the chunks is not stored yet, in their order; answers the last one's offset.
    ///
    /// Safe to repeat after any error and at any later time, as long as the same bytes have the same offsets.
    pub async fn append(
        &self,
        account: &AccountName,
        job: JobId,
        run: u32,
        chunks: &[Chunk],
    ) -> Result<u64, Error> {
        if let Some(large) = chunks.iter().find(|chunk| chunk.bytes.len() > MAX_CHUNK) {
            return Err(Error::TooLarge(large.bytes.len()));
        }
        let subject = super::subject(account, job, run);
        let slot = self.inner.newest.get_with_by_ref(&subject, Arc::default);
        let mut slot = slot.lock().await;
        let mut conflicts = 0;
        loop {
            // Until the answer is there, it is not known what is stored.
            let newest = match slot.take() {
                Some(newest) => newest,
                None => self
                    .newest(&subject)
                    .await?
                    .map(Newest::from)
                    .unwrap_or_default(),
            };
            let frames = newest.next(chunks);
            if frames.chunks.is_empty() {
                return Ok(slot.insert(newest).end);
            }
            match self.publish(&subject, &frames).await? {
                Some(sequence) => {
                    let before = newest.end;
                    let newest = slot.insert(Newest::from(Stored { sequence, frames }));
                    let now = newest.end;
                    if before / TRIM_STEP != now / TRIM_STEP && now > KEPT_OF_A_RUN {
                        self.trim(&subject, now - KEPT_OF_A_RUN).await;
                    }
                }
                None if conflicts < MOST_CONFLICTS => conflicts += 1,
                None => {
                    let reason = "others write to the same run all the time";
                    return Err(Error::Unavailable(reason.into()));
                }
            }
        }
    }

    /// The offset of the last chunk that is stored of a run, or 0: what is behind it has to be appended.
    pub async fn stored(&self, account: &AccountName, job: JobId, run: u32) -> Result<u64, Error> {
        let newest = self.newest(&super::subject(account, job, run)).await?;
        Ok(newest.map_or(0, |newest| newest.frames.end()))
    }

    /// Stores a message behind the one that it names; nothing if that isn't the newest one.
    async fn publish(&self, subject: &str, frames: &Frames) -> Result<Option<u64>, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", STREAM);
        headers.insert(
            "Nats-Expected-Last-Subject-Sequence",
            frames.previous.to_string().as_str(),
        );
        let connection = &self.inner.connection;
        connection.until_up().await;
        let answer = connection
            .request(subject.to_owned(), headers, frames.bytes())
            .await?;
        match read_ack(&answer.payload, 1) {
            Published::Stored(sequence) => Ok(Some(sequence)),
            Published::Conflict(_) => Ok(None),
            Published::Full => Err(Error::Unavailable("there is no room".into())),
            Published::Unknown(reason) => Err(Error::Unavailable(reason)),
        }
    }

    /// Takes away what of a run's output ends before `offset`, so that one noisy run leaves room for the others.
    async fn trim(&self, subject: &str, offset: u64) {
        let trimmed = async {
            let sequence = self.reaching(subject, offset).await?;
            let request = json!({ "filter": subject, "seq": sequence });
            let call = format!("STREAM.PURGE.{STREAM}");
            self.inner.cleaner.api(&call, &request).await?;
            Ok::<(), Error>(())
        };
        // The next step does what this one could not.
        if let Err(error) = trimmed.await {
            tracing::debug!(%error, subject, "output.trim");
        }
    }
}

// === impl Newest ===

impl Newest {
    /// The next message: the first of the chunks that are not stored yet.
    fn next(&self, chunks: &[Chunk]) -> Frames {
        let (mut end, mut room) = (self.end, MAX_MESSAGE);
        let mut next = Vec::new();
        for chunk in chunks {
            if chunk.offset <= end {
                continue;
            }
            if chunk.bytes.len() > room || next.len() == MAX_CHUNKS {
                break;
            }
            room -= chunk.bytes.len();
            end = chunk.offset;
            next.push(chunk.clone());
        }
        Frames {
            previous: self.sequence,
            chunks: next,
        }
    }
}

impl From<Stored> for Newest {
    fn from(stored: Stored) -> Self {
        let Stored { sequence, frames } = stored;
        Self {
            sequence,
            end: frames.end(),
        }
    }
}
