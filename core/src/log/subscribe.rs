//! Following the log from a sequence on, with a push-ordered consumer: the pull-ordered one is slow to recover.

//! The consumer is made anew, behind the last event that was taken, whenever the connection broke: the client
//! would do so only after two missed heartbeats, and from the log's start if nothing had been received.

use std::fmt;

use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use futures::{FutureExt, StreamExt};

use super::chain::follows;
use super::read::stream_state;
use super::{Error, Log, Position, Recorded};

/// Events as they are stored, in order, each once. A gap in the log is an error.
pub struct Subscription {
    log: Log,
    filter: String,
    from: Position,
    /// Whether every sequence is expected, because the filter takes everything.
    whole: bool,
    /// The newest event that this reader is known to have seen.
    seen: u64,
    consumer: Option<Consumer>,
}

/// A consumer, and how often the connection had broken when it was made.
struct Consumer {
    messages: Ordered,
    breaks: u64,
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
    ///
    /// Who follows the whole log from a sequence on has seen all that is before.
    pub fn subscribe(&self, filter: impl Into<String>, from: Position) -> Subscription {
        let filter = filter.into();
        let (whole, seen) = match from {
            Position::Sequence(from) if filter == self.kind().subjects() => {
                (self.kind().is_whole(), from.saturating_sub(1))
            }
            _ => (false, 0),
        };
        Subscription {
            log: self.clone(),
            filter,
            from,
            whole,
            seen,
            consumer: None,
        }
    }
}

impl Subscription {
    /// Waits for the next event. Cancel safe: a dropped wait loses nothing.
    pub async fn next(&mut self) -> Result<Recorded, Error> {
        loop {
            if let Some(event) = self.ready() {
                return event;
            }
            let connection = self.log.connection().clone();
            let consumer = match &mut self.consumer {
                Some(consumer) => consumer,
                None => self
                    .consumer
                    .insert(open(&self.log, &self.filter, self.from, self.seen).await?),
            };
            let message = tokio::select! {
                biased;
                message = consumer.messages.next() => message,
                () = connection.broken_since(consumer.breaks) => None,
            };
            if let Some(event) = self.received(message) {
                return event;
            }
        }
    }

    /// The next event, if it is here already.
    pub fn ready(&mut self) -> Option<Result<Recorded, Error>> {
        let message = self.consumer.as_mut()?.messages.next().now_or_never()?;
        self.received(message)
    }

    /// What came from the consumer; nothing if it has to be made anew.
    fn received(
        &mut self,
        message: Option<Result<jetstream::Message, impl fmt::Display>>,
    ) -> Option<Result<Recorded, Error>> {
        let result = match message {
            Some(Ok(message)) => self.take(message).transpose(),
            Some(Err(error)) => {
                tracing::debug!(%error, "subscription.reopen");
                None
            }
            None => None,
        };
        if !matches!(result, Some(Ok(_))) {
            self.consumer = None;
        }
        result
    }

    fn take(&mut self, message: jetstream::Message) -> Result<Option<Recorded>, Error> {
        let sequence = message
            .info()
            .map_err(|error| Error::Unavailable(format!("an event without sequence: {error}")))?
            .stream_sequence;
        if let Position::Sequence(next) = self.from {
            if sequence < next {
                return Ok(None);
            }
            if self.whole {
                follows(next.saturating_sub(1), sequence)?;
            }
        }
        self.from = Position::Sequence(sequence + 1);
        self.seen = sequence;
        let jetstream::Message { message, .. } = message;
        Ok(Some(Recorded {
            sequence,
            subject: message.subject.into_string(),
            payload: message.payload,
        }))
    }
}

async fn open(log: &Log, filter: &str, from: Position, seen: u64) -> Result<Consumer, Error> {
    let connection = log.connection();
    connection.until_up().await;
    let breaks = connection.breaks();
    // A log that lost its end would be followed from beyond it, and what is written there missed.
    let (state, _) = stream_state(log.kind(), connection).await?;
    if state.last_seq < seen {
        return Err(Error::Damaged(format!(
            "a reader has seen event {seen}, but the log now ends at {}",
            state.last_seq
        )));
    }
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
    let unavailable = |error: &dyn fmt::Display| Error::Unavailable(error.to_string());
    let consumer = async {
        let made = jetstream::new(connection.client().clone())
            .create_consumer_on_stream(config, log.kind().stream())
            .await
            .map_err(|error| unavailable(&error))?;
        let messages = made.messages().await.map_err(|error| unavailable(&error))?;
        Ok(Consumer { messages, breaks })
    };
    tokio::select! {
        biased;
        consumer = consumer => consumer,
        () = connection.broken_since(breaks) => {
            Err(Error::Unavailable("the connection broke".into()))
        }
    }
}
