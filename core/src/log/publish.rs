//! One publish, or one atomic batch, with its expectations. What a failure means is decided elsewhere.

use async_nats::HeaderMap;
use bytes::Bytes;
use serde::Deserialize;

use super::{Connection, Error, LogKind};
use crate::ids::EventId;

/// An event ready to be stored.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) id: EventId,
    pub(super) payload: Bytes,
    /// The aggregate's filter, and the last sequence on it; only on its first event in a batch.
    pub(super) expected: Option<(String, u64)>,
}

/// What became of a publish.
#[derive(Clone, Debug)]
pub(super) enum Published {
    /// Stored; the sequence of the last message.
    Stored(u64),
    /// Not stored by this publish: the server says that an expectation does not hold, or has seen the ids.
    Conflict(String),
    /// Not stored: the stream has no room.
    Full,
    /// Anything may have happened, now or later.
    Unknown(String),
}

/// Stores the messages together or not at all.
pub(super) async fn publish(
    kind: LogKind,
    connection: &Connection,
    messages: &[Message],
) -> Published {
    if messages.is_empty() {
        return Published::Conflict("nothing to store".into());
    }
    let parts = messages.iter().map(|message| {
        let payload = message.payload.clone();
        (message.subject.clone(), headers(kind, message), payload)
    });
    let answer = send(connection, parts).await;
    match answer {
        Ok(payload) => read_ack(&payload, messages.len()),
        Err(error) => Published::Unknown(error.to_string()),
    }
}

fn headers(kind: LogKind, message: &Message) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", message.id.to_string().as_str());
    headers.insert("Nats-Expected-Stream", kind.stream());
    if let Some((filter, sequence)) = &message.expected {
        headers.insert(
            "Nats-Expected-Last-Subject-Sequence",
            sequence.to_string().as_str(),
        );
        headers.insert(
            "Nats-Expected-Last-Subject-Sequence-Subject",
            filter.as_str(),
        );
    }
    headers
}

/// Sends at least one message; more than one as an atomic batch (NATS ADR-50), which is invisible until the last
/// message commits it. Gives the acknowledgement.
pub(super) async fn send(
    connection: &Connection,
    messages: impl ExactSizeIterator<Item = (String, HeaderMap, Bytes)>,
) -> Result<Bytes, Error> {
    let (id, count) = (nuid(), messages.len());
    for (index, (subject, mut headers, payload)) in messages.enumerate() {
        if count > 1 {
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", (index + 1).to_string().as_str());
        }
        if index + 1 < count {
            connection
                .client()
                .publish_with_headers(subject, headers, payload)
                .await
                .map_err(|error| Error::Unavailable(error.to_string()))?;
            continue;
        }
        if count > 1 {
            headers.insert("Nats-Batch-Commit", "1");
        }
        let answer = connection.request(subject, headers, payload).await?;
        return Ok(answer.payload);
    }
    Err(Error::Unavailable("an empty batch".into()))
}

/// A random name: batches that are open at a time, and uploads, have different ones.
pub(super) fn nuid() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What an acknowledgement of `count` messages says.
pub(super) fn read_ack(payload: &[u8], count: usize) -> Published {
    const WRONG_LAST_SEQUENCE: [u64; 2] = [10071, 10164];
    const DUPLICATE_IN_BATCH: u64 = 10201;
    const NO_ROOM: [u64; 3] = [10077, 10047, 10023];

    #[derive(Deserialize)]
    struct Ack {
        #[serde(default)]
        seq: u64,
        #[serde(default)]
        duplicate: bool,
        #[serde(default)]
        count: usize,
        error: Option<ApiError>,
    }
    #[derive(Deserialize)]
    struct ApiError {
        #[serde(default)]
        err_code: u64,
        #[serde(default)]
        description: String,
    }

    match serde_json::from_slice::<Ack>(payload) {
        Ok(Ack {
            error: Some(error), ..
        }) => match error.err_code {
            code if WRONG_LAST_SEQUENCE.contains(&code) || code == DUPLICATE_IN_BATCH => {
                Published::Conflict(error.description)
            }
            code if NO_ROOM.contains(&code) => Published::Full,
            code => Published::Unknown(format!("{} ({code})", error.description)),
        },
        // The id was seen, perhaps on another subject: the sequence says nothing.
        Ok(ack) if ack.duplicate => Published::Conflict("the event id was seen before".into()),
        // Without batch support the messages would have been stored one by one.
        Ok(ack) if count > 1 && ack.count != count => {
            Published::Unknown(format!("{} of {count} events were stored", ack.count))
        }
        Ok(ack) => Published::Stored(ack.seq),
        Err(error) => Published::Unknown(format!("the acknowledgement is nonsense: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(text: &str, count: usize) -> Published {
        read_ack(text.as_bytes(), count)
    }

    #[test]
    fn acknowledgements_are_told_apart() {
        assert!(matches!(
            ack(r#"{"stream":"EAI_EVENTS","seq":7}"#, 1),
            Published::Stored(7)
        ));
        assert!(matches!(
            ack(r#"{"seq":7,"duplicate":true}"#, 1),
            Published::Conflict(_)
        ));
        assert!(matches!(
            ack(r#"{"seq":7,"batch":"b","count":6}"#, 6),
            Published::Stored(7)
        ));
        assert!(
            matches!(ack(r#"{"seq":7}"#, 6), Published::Unknown(_)),
            "no batch support"
        );
        for code in [10071, 10164, 10201] {
            let text = format!(r#"{{"error":{{"err_code":{code},"description":"x"}},"seq":0}}"#);
            assert!(matches!(ack(&text, 1), Published::Conflict(_)), "{code}");
        }
        assert!(matches!(
            ack(r#"{"error":{"err_code":10077}}"#, 1),
            Published::Full
        ));
        assert!(matches!(
            ack(r#"{"error":{"err_code":1}}"#, 1),
            Published::Unknown(_)
        ));
        assert!(matches!(ack("", 1), Published::Unknown(_)));
    }
}
