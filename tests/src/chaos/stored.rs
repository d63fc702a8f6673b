//! The log as the stream has it, read with a plain client and not with the platform's code.

use std::path::Path;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, consumer};
use eai_core::log::STREAM;
use eai_core::log::credentials::{self, User};
use futures::StreamExt;
use nkeys::KeyPair;
use time::OffsetDateTime;

use super::record::Stored;

/// How long the next event may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads everything from the first event on.
pub(super) async fn read(data: &Path, url: &str) -> Vec<Stored> {
    let client = ConnectOptions::with_credentials(&own_credentials(data))
        .expect("credentials")
        .connect(url)
        .await
        .expect("a connection");
    let inbox = client.new_inbox();
    let mut stream = jetstream::new(client)
        .get_stream(STREAM)
        .await
        .expect("the stream");
    let last = stream
        .info()
        .await
        .expect("the stream's state")
        .state
        .last_sequence;
    let reader = stream
        .create_consumer(consumer::push::OrderedConfig {
            deliver_subject: inbox,
            ..Default::default()
        })
        .await
        .expect("a reader");
    let mut messages = reader.messages().await.expect("messages");
    let mut log = Vec::new();
    while log.last().map_or(0, |event: &Stored| event.sequence) < last {
        let next = tokio::time::timeout(PATIENCE, messages.next());
        // An end that cannot be read is a gap, for the checker to find.
        let Ok(Some(Ok(message))) = next.await else {
            break;
        };
        let info = message.info().expect("an event's place");
        let at = info.published.unix_timestamp_nanos() / 1000;
        log.push(Stored {
            sequence: info.stream_sequence,
            at: u64::try_from(at).unwrap_or(0),
            subject: message.subject.to_string(),
            payload: String::from_utf8_lossy(&message.payload).into_owned(),
        });
    }
    log
}

/// Credentials of the account that holds the log, minted with its key as the platform does.
fn own_credentials(data: &Path) -> String {
    let seed = std::fs::read_to_string(data.join("keys/account.nk")).expect("the account's key");
    let account = KeyPair::from_seed(seed.trim()).expect("the account's key");
    let user = KeyPair::new_user();
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let token = credentials::user(User::Platform, &account, &user, now).expect("a token");
    credentials::creds_text(&token, &user).expect("credentials")
}
