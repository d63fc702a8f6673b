//! Following the log from a sequence on, with a push-ordered consumer: the pull-ordered one is slow to recover.

use std::fmt;

use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use futures::{FutureExt, StreamExt};

use super::chain::follows;
use super::{Error, Log, Position, Recorded, STREAM};

/// Events as they are stored, in order, each once. A gap in the log is an error.
pub struct Subscription {
    log: Log,
    filter: String,
    from: Position,
    /// Whether every sequence is expected, because the filter takes everything.
    whole: bool,
    messages: Option<Ordered>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, from, .. } = self;
        f.debug_struct("Subscription")
            .field("filter", filter)
            .field("from", from)
            .finish()
    }
}

impl Log {
    /// Follows the events on `filter` from a position on; never ends by itself.
    pub fn subscribe(&self, filter: impl Into<String>, from: Position) -> Subscription {
        let filter = filter.into();
        let whole = filter == crate::subject::ALL_EVENTS && matches!(from, Position::Sequence(_));
        Subscription {
            log: self.clone(),
            filter,
            from,
            whole,
            messages: None,
        }
    }
}

impl Subscription {
    /// Waits for the next event. Cancel safe: a dropped wait loses nothing.
    pub async fn next(&mut self) -> Result<Recorded, Error> {
        loop {
            let messages = match &mut self.messages {
                Some(messages) => messages,
                None => self
                    .messages
                    .insert(open(&self.log, &self.filter, self.from).await?),
            };
            match messages.next().await {
                Some(Ok(message)) => return self.take(message),
                // The consumer is made anew behind the last event that was taken.
                Some(Err(error)) => {
                    tracing::debug!(%error, "subscription.reopen");
                    self.messages = None;
                }
                None => self.messages = None,
            }
        }
    }

    /// The next event, if it is here already.
    pub fn ready(&mut self) -> Option<Result<Recorded, Error>> {
        match self.messages.as_mut()?.next().now_or_never()?? {
            Ok(message) => Some(self.take(message)),
            Err(error) => {
                tracing::debug!(%error, "subscription.reopen");
                self.messages = None;
                None
            }
        }
    }

    fn take(&mut self, message: jetstream::Message) -> Result<Recorded, Error> {
        let sequence = message
            .info()
            .map_err(|error| Error::Unavailable(format!("an event without sequence: {error}")))?
            .stream_sequence;
        if let (true, Position::Sequence(next)) = (self.whole, self.from) {
            follows(next.saturating_sub(1), sequence)?;
        }
        self.from = Position::Sequence(sequence + 1);
        let jetstream::Message { message, .. } = message;
        Ok(Recorded {
            sequence,
            subject: message.subject.into_string(),
            payload: message.payload,
        })
    }
}

async fn open(log: &Log, filter: &str, from: Position) -> Result<Ordered, Error> {
    let connection = log.connection();
    connection.until_up().await;
    let deliver_policy = match from {
        Position::Sequence(start_sequence) => DeliverPolicy::ByStartSequence {
            start_sequence: start_sequence.max(1),
        },
        Position::Time(start_time) => DeliverPolicy::ByStartTime { start_time },
    };
    let config = OrderedConfig {
        deliver_subject: connection.client().new_inbox(),
        filter_subject: filter.to_owned(),
        deliver_policy,
        ..OrderedConfig::default()
    };
    let unavailable = |error: String| Error::Unavailable(error);
    jetstream::new(connection.client().clone())
        .create_consumer_on_stream(config, STREAM)
        .await
        .map_err(|error| unavailable(error.to_string()))?
        .messages()
        .await
        .map_err(|error| unavailable(error.to_string()))
}
