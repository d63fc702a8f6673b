//! A connection to the server that says at any moment whether it stands.

use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message};
use bytes::Bytes;
use tokio::sync::watch;

use super::Error;

/// How long one request may take before its outcome counts as unknown.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A NATS client, and whether it is connected.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Client,
    link: watch::Receiver<Link>,
}

/// How the connection fared so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    up: bool,
    /// How many times it broke: short breaks are seen, too.
    breaks: u64,
    /// Since when it is broken.
    since: Option<Instant>,
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The credentials are not readable as such.
    #[error("the NATS credentials cannot be read")]
    Credentials(#[source] std::io::Error),
    /// The server is not there or refuses.
    #[error("cannot connect to the NATS server at {url}")]
    Connect {
        /// Where it was looked for.
        url: String,
        /// Why.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// Connects with the text of a `.creds` file. Once connected it reconnects for ever.
pub async fn connect(
    url: &str,
    credentials: &str,
    name: &str,
    inbox_prefix: &str,
) -> Result<Connection, ConnectError> {
    let options = ConnectOptions::with_credentials(credentials)
        .map_err(ConnectError::Credentials)?
        .name(name)
        .custom_inbox_prefix(inbox_prefix)
        .request_timeout(Some(REQUEST_TIMEOUT));
    connect_with(options, url).await
}

/// Connects as `options` say, and reconnects for ever.
pub async fn connect_with(options: ConnectOptions, url: &str) -> Result<Connection, ConnectError> {
    let (sender, link) = watch::channel(Link {
        up: true,
        breaks: 0,
        since: None,
    });
    let client = options
        .reconnect_delay_callback(|attempt| {
            let doublings = u32::try_from(attempt.min(6)).unwrap_or(6);
            Duration::from_millis(4 << doublings)
        })
        .event_callback(move |event| {
            let sender = sender.clone();
            async move {
                match event {
                    Event::Connected => sender.send_modify(|link| {
                        link.up = true;
                        link.since = None;
                    }),
                    Event::Disconnected | Event::Closed => sender.send_modify(|link| {
                        link.up = false;
                        link.breaks += 1;
                        link.since.get_or_insert_with(Instant::now);
                    }),
                    Event::SlowConsumer(_) | Event::ServerError(_) | Event::ClientError(_) => {
                        tracing::warn!(%event, "nats.event");
                    }
                    Event::LameDuckMode | Event::Draining => tracing::info!(%event, "nats.event"),
                }
            }
        })
        .connect(url)
        .await
        .map_err(|source| ConnectError::Connect {
            url: url.to_owned(),
            source,
        })?;
    Ok(Connection { client, link })
}

// === impl Connection ===

impl Connection {
    /// The client itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the connection stands.
    pub fn is_up(&self) -> bool {
        self.link.borrow().up
    }

    /// For how long it has been broken, if it is.
    pub fn away(&self) -> Option<Duration> {
        self.link.borrow().since.map(|since| since.elapsed())
    }

    /// Waits until the connection stands, so that nothing is queued for a server that is away.
    pub async fn until_up(&self) {
        if !self.is_up() {
            let mut link = self.link.clone();
            // An error means that the client is gone; the request that follows says so.
            drop(link.wait_for(|link| link.up).await);
        }
    }

    /// How many times the connection broke so far.
    pub(super) fn breaks(&self) -> u64 {
        self.link.borrow().breaks
    }

    /// Waits until the connection broke more often than `breaks` times.
    pub(super) async fn broken_since(&self, breaks: u64) {
        let mut link = self.link.clone();
        if link.wait_for(|link| link.breaks != breaks).await.is_err() {
            // The client is gone, and says so itself where it is asked.
            std::future::pending::<()>().await;
        }
    }

    /// One request and its answer. A broken connection ends the wait: no answer will come any more.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, Error> {
        let breaks = self.breaks();
        tokio::select! {
            biased;
            answer = self.client.request_with_headers(subject, headers, payload) => {
                answer.map_err(|error| Error::Unavailable(error.to_string()))
            }
            () = self.broken_since(breaks) => {
                Err(Error::Unavailable("the connection broke before the answer came".into()))
            }
        }
    }

    /// One call of the `JetStream` API.
    pub(super) async fn api(&self, call: &str, body: &serde_json::Value) -> Result<Message, Error> {
        let body = Bytes::from(body.to_string());
        self.request(format!("$JS.API.{call}"), HeaderMap::new(), body)
            .await
    }
}
