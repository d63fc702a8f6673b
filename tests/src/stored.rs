//! What NATS itself says is stored, read with the platform's own rights and a stock client.

use async_nats::jetstream::stream::{RawMessageError, RawMessageErrorKind, Stream};
use async_nats::jetstream::{self};
use async_nats::{Client, ConnectOptions};
use eai_core::log::credentials::{User, creds_text, user};
use eai_core::log::{STREAM, TASKS};
use nkeys::KeyPair;
use serde_json::Value;

use crate::platform::Platform;
use crate::until_async;

/// The stream of events.
#[derive(Clone, Debug)]
pub struct Stored {
    stream: Stream,
}

/// One stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its sequence.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

// === impl Stored ===

impl Stored {
    /// Opens the stream of a platform, with credentials minted from its data directory.
    pub async fn of(platform: &Platform) -> Self {
        let client = Self::client(platform).await;
        let stream = jetstream::new(client).get_stream(STREAM).await;
        Self {
            stream: stream.expect("the stream"),
        }
    }

    /// Opens the stream of tasks.
    pub async fn tasks_of(platform: &Platform) -> Self {
        let client = Self::client(platform).await;
        let stream = jetstream::new(client).get_stream(TASKS).await;
        Self {
            stream: stream.expect("the stream of tasks"),
        }
    }

    /// A connection with the same rights.
    pub async fn client(platform: &Platform) -> Client {
        let account = platform.seed("account");
        let key = KeyPair::new_user();
        let jwt = user(User::Platform, &account, &key, 0).expect("a token");
        let credentials = creds_text(&jwt, &key).expect("credentials");
        let connect = || async {
            let options = ConnectOptions::with_credentials(&credentials).expect("credentials");
            options.connect(platform.nats_url()).await
        };
        // The server may just be coming up again.
        until_async("a connection", connect).await
    }

    /// The last sequence.
    pub async fn last(&self) -> u64 {
        let info = self.stream.get_info().await.expect("the stream's state");
        info.state.last_sequence
    }

    /// The last sequence, where the server answers.
    pub async fn try_last(&self) -> Option<u64> {
        let info = self.stream.get_info().await.ok()?;
        Some(info.state.last_sequence)
    }

    /// One event where the server answers; none where it was removed.
    pub async fn try_get(&self, sequence: u64) -> Result<Option<StoredEvent>, RawMessageError> {
        match self.stream.get_raw_message(sequence).await {
            Ok(message) => Ok(Some(StoredEvent {
                sequence,
                subject: message.subject.to_string(),
                payload: message.payload.to_vec(),
            })),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One event.
    pub async fn get(&self, sequence: u64) -> StoredEvent {
        let message = self.stream.get_raw_message(sequence).await;
        let message = message.expect("a stored event");
        StoredEvent {
            sequence,
            subject: message.subject.to_string(),
            payload: message.payload.to_vec(),
        }
    }

    /// All events that were not removed.
    pub async fn remaining(&self) -> Vec<StoredEvent> {
        let mut events = Vec::new();
        for sequence in 1..=self.last().await {
            if let Ok(message) = self.stream.get_raw_message(sequence).await {
                events.push(StoredEvent {
                    sequence,
                    subject: message.subject.to_string(),
                    payload: message.payload.to_vec(),
                });
            }
        }
        events
    }

    /// All events behind `after`.
    pub async fn after(&self, after: u64) -> Vec<StoredEvent> {
        let mut events = Vec::new();
        for sequence in after + 1..=self.last().await {
            events.push(self.get(sequence).await);
        }
        events
    }
}

// === impl StoredEvent ===

impl StoredEvent {
    /// The document.
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("a document")
    }

    /// The event's type.
    pub fn kind(&self) -> String {
        crate::api::text(&self.document()["type"])
    }
}
