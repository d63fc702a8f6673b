//! Events that no command makes, and a stream that somebody reached into.

use async_nats::Client;
use async_nats::jetstream;
use eai_core::digest::Digest;
use eai_core::log::{Log, Position, STREAM};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{account, within};

/// A document, to be stored past the platform.
pub(crate) struct Document {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) event: &'static str,
    pub(crate) version: u16,
    pub(crate) prevhash: Digest,
    pub(crate) data: Value,
}

impl Document {
    /// The first event of a new aggregate.
    pub(crate) fn first(kind: &'static str, event: &'static str, data: Value) -> Self {
        Self {
            kind,
            id: Uuid::new_v4().to_string(),
            event,
            version: 1,
            prevhash: Digest::ZERO,
            data,
        }
    }

    /// The next event of an aggregate in the log.
    pub(crate) async fn next(
        log: &Log,
        kind: &'static str,
        id: &str,
        event: &'static str,
        data: Value,
    ) -> Self {
        let filter = format!("eai.event.snow.testacc.{kind}.{id}.>");
        let page = within("a page", log.page(&filter, Position::START, 1000)).await;
        let newest = page.unwrap().0.pop().expect("it has events");
        Self {
            id: id.to_owned(),
            prevhash: newest.digest(),
            ..Self::first(kind, event, data)
        }
    }

    pub(crate) fn subject(&self) -> String {
        format!(
            "eai.event.snow.testacc.{}.{}.{}",
            self.kind, self.id, self.event
        )
    }

    pub(crate) fn json(&self) -> Value {
        let event_type = format!("eai.{}.{}.v{}", self.kind, self.event, self.version);
        json!({
            "specversion": "1.0", "id": Uuid::new_v4(),
            "source": format!("urn:eai:platform:{}", Uuid::from_u128(1)),
            "type": event_type, "subject": format!("{}/{}", self.kind, self.id),
            "time": "2026-01-02T03:04:05.006Z", "datacontenttype": "application/json",
            "dataschema": format!("urn:eai:schema:{event_type}"),
            "account": account().as_str(), "actor": "platform",
            "commandid": Uuid::new_v4(), "correlationid": Uuid::new_v4(),
            "prevhash": self.prevhash.to_string(), "data": self.data,
        })
    }

    /// Stores it where it belongs; its sequence.
    pub(crate) async fn store(&self, client: &Client) -> u64 {
        store(client, self.subject(), self.json().to_string()).await
    }
}

/// Stores anything anywhere; its sequence.
pub(crate) async fn store(client: &Client, subject: String, payload: String) -> u64 {
    let context = jetstream::new(client.clone());
    let publish = async { context.publish(subject, payload.into()).await?.await };
    within("an acknowledgement", publish)
        .await
        .unwrap()
        .sequence
}

/// Deletes an event from the stream.
pub(crate) async fn delete(client: &Client, sequence: u64) {
    let context = jetstream::new(client.clone());
    let stream = context.get_stream(STREAM).await.unwrap();
    assert!(stream.delete_message(sequence).await.unwrap());
}

/// Removes the whole stream.
pub(crate) async fn delete_all(client: &Client) {
    let context = jetstream::new(client.clone());
    context.delete_stream(STREAM).await.unwrap();
}
