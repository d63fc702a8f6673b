//! A monitor with a stock NATS client: its credentials, what it reads, and what it may not do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::{Client, ConnectOptions, Event as Said, jetstream};
use eai_core::log::STREAM;
use eai_core::log::monitors::API;
use futures::StreamExt as _;
use tokio::sync::mpsc;

use crate::platform::Platform;
use crate::wait::until_async;

/// A monitor with credentials of its own, and what its server says to it.
#[derive(Debug)]
pub struct Reader {
    /// Its connection.
    pub client: Client,
    said: mpsc::Receiver<String>,
    /// The consumer that it reads by.
    pub consumer: String,
}

/// An event as a monitor reads it.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// Its place in the log.
    pub sequence: u64,
    /// Where it was sent to.
    pub subject: String,
    /// The stored document.
    pub payload: Vec<u8>,
}

impl Reader {
    /// One with new credentials.
    pub async fn new(platform: &Platform, name: &str) -> Self {
        let file = platform.path(&format!("{name}.creds"));
        let file = file.to_str().expect("a monitor");
        let new = ["monitor", "credentials", "new", name, "-o", file];
        let [noun, verb, new, name, o, file] = new;
        let consumer = platform
            .cli([noun, verb, new, name, o, file, "--field", "consumer"])
            .ok();
        assert_eq!(
            fs::metadata(file).expect("a monitor").permissions().mode() & 0o777,
            0o600
        );
        let credentials = fs::read_to_string(file).expect("a monitor");
        Self::with(platform, &credentials, consumer)
            .await
            .expect("a monitor")
    }

    /// One with these.
    pub async fn with(
        platform: &Platform,
        credentials: &str,
        consumer: String,
    ) -> Result<Self, async_nats::ConnectError> {
        let (sender, said) = mpsc::channel(1000);
        let client = ConnectOptions::with_credentials(credentials)
            .expect("a monitor")
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    let text = match event {
                        Said::ServerError(error) => error.to_string(),
                        other => other.to_string(),
                    };
                    sender.try_send(text.to_lowercase()).ok();
                }
            })
            .connect(platform.nats_url())
            .await?;
        Ok(Self {
            client,
            said,
            consumer,
        })
    }

    /// As a stock client finds it: by names alone.
    pub async fn history(&self) -> Consumer<pull::Config> {
        let context = jetstream::with_prefix(self.client.clone(), API);
        // A server that is coming up again may not have it yet.
        let find = async || {
            let found = context.get_consumer_from_stream(&self.consumer, STREAM);
            found.await
        };
        until_async("the consumer", find).await
    }

    /// Waits until the server has said something with all of these words.
    pub async fn hears(&mut self, words: &[&str]) {
        let hears = async {
            while let Some(text) = self.said.recv().await {
                if words.iter().all(|word| text.contains(&word.to_lowercase())) {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), hears).await;
        assert!(waited.is_ok(), "the server did not say {words:?}");
    }

    /// Waits until the server refuses it.
    pub async fn may_not_publish(&mut self, subject: &str) {
        let inbox = self.client.new_inbox();
        let sent = self
            .client
            .publish_with_reply(subject.to_owned(), inbox, "".into());
        sent.await.expect("a monitor");
        let refusal = format!("permissions violation for publish to \"{subject}\"");
        self.hears(&[&refusal]).await;
    }

    /// Waits until the server refuses it.
    pub async fn may_not_subscribe(&mut self, subject: &str) {
        let _kept = self
            .client
            .subscribe(subject.to_owned())
            .await
            .expect("a monitor");
        let refusal = format!("permissions violation for subscription to \"{subject}\"");
        self.hears(&[&refusal]).await;
    }
}

/// Reads what comes until an event that was stored, and says what was handled: what comes again is skipped.
pub async fn read_to(history: &Consumer<pull::Config>, last: u64, read: &mut Vec<Read>) {
    while read.last().is_none_or(|read| read.sequence < last) {
        let batch = history
            .fetch()
            .max_messages(1)
            .expires(Duration::from_secs(1));
        // A server that is away is asked again, as a monitor does.
        let Ok(mut batch) = batch.messages().await else {
            continue;
        };
        while let Some(Ok(message)) = batch.next().await {
            let sequence = message.info().expect("a monitor").stream_sequence;
            if read.last().is_none_or(|read| read.sequence < sequence) {
                read.push(Read {
                    sequence,
                    subject: message.subject.to_string(),
                    payload: message.payload.to_vec(),
                });
            }
            message.ack().await.expect("a monitor");
        }
    }
}
