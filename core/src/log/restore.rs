//! Putting the events of an export back: each at the very sequence that it had, byte for byte.

use std::time::Duration;

use async_nats::HeaderMap;

use super::publish::{Published, read_ack, send};
use super::{Error, Log, Recorded};

/// How often a batch is sent again that got no answer.
const MOST_TRIES: u32 = 20;
/// The longest pause before that.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Log {
    /// Stores events that follow each other; the log has to end right before the first of them.
    ///
    /// All are stored or none, and each at its sequence: whatever else is in the log, or writes to it, is an error.
    /// Doing it again does it once.
    pub async fn put_back(&self, events: &[Recorded]) -> Result<(), Error> {
        self.store(events).await?;
        for event in events {
            let bytes = event.payload.len() + event.subject.len();
            self.inner.reserve.add(bytes);
        }
        Ok(())
    }

    async fn store(&self, events: &[Recorded]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(());
        };
        let (before, last) = (first.sequence.saturating_sub(1), last.sequence);
        let mut reason = String::new();
        for tries in 0..MOST_TRIES {
            if tries > 0 {
                let pause = Duration::from_millis(10 << tries.min(8));
                tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            }
            self.connection().until_up().await;
            let messages = events.iter().map(|event| {
                let expected = (event.sequence == first.sequence).then_some(before);
                let headers = headers(self.kind().stream(), expected);
                (event.subject.clone(), headers, event.payload.clone())
            });
            let answer = send(self.connection(), messages).await;
            match answer.map(|payload| read_ack(&payload, events.len())) {
                Ok(Published::Stored(sequence)) if sequence == last => return Ok(()),
                Ok(Published::Full) => return Err(Error::Full(self.kind())),
                Ok(other) => reason = format!("{other:?}"),
                Err(error) => reason = error.to_string(),
            }
            // It may have been stored all the same, or by an earlier try.
            match self.last_sequence().await {
                Ok(end) if end == last => return Ok(()),
                Ok(end) if end == before => {}
                Ok(end) => {
                    return Err(Error::Damaged(format!(
                        "it ends at {end} where it should end at {before}: something else wrote to it"
                    )));
                }
                Err(error) => reason = error.to_string(),
            }
        }
        Err(Error::Unavailable(reason))
    }
}

/// No `Nats-Msg-Id`: what was stored before cannot come again, and the server remembers each for two minutes.
fn headers(stream: &str, expected: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Stream", stream);
    if let Some(before) = expected {
        headers.insert("Nats-Expected-Last-Sequence", before.to_string().as_str());
    }
    headers
}
