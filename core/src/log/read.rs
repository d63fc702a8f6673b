//! Reading stored events: the newest of an aggregate from the leader, and runs of them by batched direct get.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Connection, Error, Log, LogKind, direct};
use crate::digest::Digest;
use crate::envelope::{self, Envelope};

/// How many events one direct get asks for.
const BATCH: usize = 256;

/// A stored event: where it stands in the log, and its bytes.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// The stored document.
    pub payload: Bytes,
}

/// Where to begin reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At this sequence.
    Sequence(u64),
    /// At the first event stored at or after this moment.
    Time(OffsetDateTime),
}

/// What the server says of the stream's extent.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct StreamState {
    pub(super) bytes: u64,
    pub(super) last_seq: u64,
}

// === impl Recorded ===

impl Recorded {
    /// The document, read.
    pub fn envelope(&self) -> Result<Envelope<'_>, envelope::Error> {
        Envelope::parse(&self.payload)
    }

    /// The hash that the next event of the aggregate carries.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }
}

impl Position {
    /// The start of the log.
    pub const START: Self = Self::Sequence(1);
}

// === impl Log ===

impl Log {
    /// The sequence of the newest event in the log; 0 if there is none.
    pub async fn last_sequence(&self) -> Result<u64, Error> {
        stream_state(self.inner.kind, &self.inner.connection)
            .await
            .map(|(state, _)| state.last_seq)
    }

    /// The sequence of the newest event that is still there; 0 if there is none.
    pub async fn newest_sequence(&self) -> Result<u64, Error> {
        let newest = self.newest(self.inner.kind.subjects()).await?;
        Ok(newest.map_or(0, |newest| newest.sequence))
    }

    /// One event; `None` if the log has none with that sequence.
    pub async fn get(&self, sequence: u64) -> Result<Option<Recorded>, Error> {
        message_get(
            self.inner.kind,
            &self.inner.connection,
            &json!({ "seq": sequence }),
        )
        .await
    }

    /// The newest event on a subject, as the stream's leader knows it.
    pub(super) async fn newest(&self, filter: &str) -> Result<Option<Recorded>, Error> {
        message_get(
            self.inner.kind,
            &self.inner.connection,
            &json!({ "last_by_subj": filter }),
        )
        .await
    }

    /// Up to `limit` events on `filter` from a position on, and whether there are more.
    pub async fn page(
        &self,
        filter: &str,
        from: Position,
        limit: usize,
    ) -> Result<(Vec<Recorded>, bool), Error> {
        let mut events: Vec<Recorded> = Vec::new();
        let mut from = from;
        loop {
            let ask = BATCH.min(limit - events.len());
            let more = self.batch(filter, from, ask, &mut events).await?;
            let next = events.last().map(|last| last.sequence + 1);
            match next.map(Position::Sequence) {
                Some(next) if more && events.len() < limit && next != from => from = next,
                _ => return Ok((events, more)),
            }
        }
    }

    /// One direct get; answers whether there are more events behind it.
    async fn batch(
        &self,
        filter: &str,
        from: Position,
        count: usize,
        events: &mut Vec<Recorded>,
    ) -> Result<bool, Error> {
        let mut request = json!({ "next_by_subj": filter, "batch": count });
        match from {
            Position::Sequence(sequence) => request["seq"] = sequence.into(),
            Position::Time(time) => {
                let time = time
                    .format(&Rfc3339)
                    .map_err(|error| Error::Unavailable(error.to_string()))?;
                request["start_time"] = time.into();
            }
        }
        let (found, more) =
            direct::get(&self.inner.connection, self.inner.kind.stream(), &request).await?;
        events.extend(found.into_iter().map(|message| {
            Recorded {
                sequence: direct::number(&message, "Nats-Sequence"),
                subject: direct::header(&message, "Nats-Subject")
                    .unwrap_or_default()
                    .to_owned(),
                payload: message.payload,
            }
        }));
        Ok(more)
    }
}

/// The stream's extent, and how many bytes it may have.
pub(super) async fn stream_state(
    kind: LogKind,
    connection: &Connection,
) -> Result<(StreamState, u64), Error> {
    #[derive(Deserialize)]
    struct Info {
        config: Config,
        state: StreamState,
    }
    #[derive(Deserialize)]
    struct Config {
        max_bytes: i64,
    }
    let answer = connection
        .api(&format!("STREAM.INFO.{}", kind.stream()), &json!({}))
        .await?;
    let info: Info = serde_json::from_slice(&answer.payload)
        .map_err(|_| Error::Unavailable(format!("the {kind} has no info")))?;
    Ok((
        info.state,
        u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
    ))
}

async fn message_get(
    kind: LogKind,
    connection: &Connection,
    body: &serde_json::Value,
) -> Result<Option<Recorded>, Error> {
    /// "no message found"
    const NOT_FOUND: u64 = 10037;
    #[derive(Deserialize)]
    struct Answer {
        message: Option<Stored>,
        error: Option<ApiError>,
    }
    #[derive(Deserialize)]
    struct Stored {
        seq: u64,
        subject: String,
        #[serde(default)]
        data: String,
    }
    #[derive(Deserialize)]
    struct ApiError {
        err_code: u64,
        description: String,
    }
    let answer = connection
        .api(&format!("STREAM.MSG.GET.{}", kind.stream()), body)
        .await?;
    let answer: Answer = serde_json::from_slice(&answer.payload)
        .map_err(|error| Error::Unavailable(format!("a read answered nonsense: {error}")))?;
    match answer {
        Answer {
            error: Some(error), ..
        } if error.err_code == NOT_FOUND => Ok(None),
        Answer {
            error: Some(error), ..
        } => Err(Error::Unavailable(error.description)),
        Answer {
            message: Some(stored),
            ..
        } => {
            let damaged = |_| Error::Damaged(format!("event {} is not base64", stored.seq));
            let payload = BASE64.decode(stored.data.as_bytes()).map_err(damaged)?;
            Ok(Some(Recorded {
                sequence: stored.seq,
                subject: stored.subject,
                payload: payload.into(),
            }))
        }
        Answer {
            message: None,
            error: None,
        } => Err(Error::Unavailable("a read answered nothing".into())),
    }
}
