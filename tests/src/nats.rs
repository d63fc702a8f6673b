//! Looking at a platform's log from outside, as a monitor does.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Subscriber};
use futures::StreamExt;
use serde_json::Value;

use crate::platform::Platform;
use crate::wait::within;

/// A monitor with the account's credentials and a stock client.
#[derive(Debug)]
pub struct Monitor {
    client: Client,
    events: Subscriber,
}

/// A live event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its subject.
    pub subject: String,
    /// Its sequence in the log.
    pub sequence: u64,
    /// The bytes.
    pub payload: Vec<u8>,
    /// The document in them.
    pub document: Value,
}

impl Monitor {
    /// Subscribes to a subject with the account's monitor credentials.
    pub async fn subscribe(platform: &Platform, subject: &str) -> Self {
        let url = platform.cli(["server", "info", "--field", "natsUrl"]).ok();
        let file = platform
            .cli(["server", "info", "--field", "monitorCreds"])
            .ok();
        let credentials = std::fs::read_to_string(file).expect("credentials");
        let client = ConnectOptions::with_credentials(&credentials)
            .expect("credentials")
            .connect(url)
            .await
            .expect("a connection");
        let events = client
            .subscribe(subject.to_owned())
            .await
            .expect("a subscription");
        client.flush().await.expect("a flush");
        let monitor = Self { client, events };
        monitor.round_trip().await;
        monitor
    }

    /// After this the server has seen everything that was sent before.
    async fn round_trip(&self) {
        // Nobody answers: the server says so, or refuses; either way it has read what came before.
        let ask = self.client.request("_INBOX.nobody", "".into());
        drop(tokio::time::timeout(Duration::from_millis(500), ask).await);
    }

    /// The next live event.
    pub async fn next(&mut self) -> Event {
        let message = within("a live event", self.events.next())
            .await
            .expect("a message");
        let headers = message.headers.as_ref().expect("headers");
        let sequence = headers.get("Nats-Sequence").expect("a sequence").as_str();
        Event {
            sequence: sequence.parse().expect("a number"),
            subject: message.subject.to_string(),
            payload: message.payload.to_vec(),
            document: serde_json::from_slice(&message.payload).expect("a document"),
        }
    }

    /// The client, for trying what must not work.
    pub fn client(&self) -> &Client {
        &self.client
    }
}
