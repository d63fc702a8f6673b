//! Following the events for ever, over any number of connections: none lost, none twice.

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::lines::Feed;
use super::refusal::ErrorBody;
use super::{Call, Client, Refusal};
use crate::error::Error;
use crate::output::Row;

/// A place in the events, and where they come from.
pub(crate) struct Follow {
    filter: Vec<(&'static str, String)>,
    since: String,
    last: Option<u64>,
    feed: Feed,
}

/// An event with its sequence number.
#[derive(Deserialize)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    event: Box<RawValue>,
}

#[derive(Deserialize)]
struct StreamError {
    error: ErrorBody,
}

// === impl Follow ===

impl Follow {
    /// Follows the events that pass the filter, from `since` on.
    pub(crate) fn new(filter: Vec<(&'static str, String)>, since: String) -> Self {
        Self {
            filter,
            since,
            last: None,
            feed: Feed::default(),
        }
    }

    /// The next event, or nothing where none comes until then.
    pub(crate) async fn next_until(
        &mut self,
        client: &mut Client,
        deadline: Option<Instant>,
    ) -> Result<Option<Row>, Error> {
        let next = self.next(client);
        match deadline {
            None => next.await.map(Some),
            Some(deadline) => match tokio::time::timeout_at(deadline, next).await {
                Ok(event) => event.map(Some),
                Err(_) => Ok(None),
            },
        }
    }

    /// The next event. It ends only by an error: a refusal, or a platform that stays away.
    pub(crate) async fn next(&mut self, client: &mut Client) -> Result<Row, Error> {
        loop {
            let call = || call(&self.filter, &self.since);
            let line = self.feed.next(client, call).await?;
            let line = line.ok_or_else(|| client.no_answer("no events at all"))?;
            let stored = parse(client, &line)?;
            // A new connection may begin with what the old one ended with.
            if self.last.is_some_and(|last| stored.sequence <= last) {
                continue;
            }
            self.last = Some(stored.sequence);
            self.since = (stored.sequence + 1).to_string();
            return stored.row(client);
        }
    }
}

fn call(filter: &[(&'static str, String)], since: &str) -> Call<'static> {
    let call = Call::get(&["event"])
        .query("follow", "true".to_owned())
        .query("since", since.to_owned());
    let filter = filter.iter();
    filter.fold(call, |call, (name, value)| call.query(name, value.clone()))
}

fn parse(client: &Client, line: &[u8]) -> Result<Stored, Error> {
    serde_json::from_slice(line).map_err(|error| match serde_json::from_slice(line) {
        Ok(StreamError { error }) => Error::Refused(Refusal::from_body(error, 0)),
        Err(_) => client.no_answer(&error.to_string()),
    })
}

// === impl Stored ===

impl Stored {
    /// The event as a row.
    pub(crate) fn row(&self, client: &Client) -> Result<Row, Error> {
        Row::event(self.sequence, self.event.get())
            .map_err(|error| client.no_answer(&error.to_string()))
    }
}

// === impl Client ===

impl Client {
    /// The sequence of the newest event of all; 0 where there is none. What is asked for after it shows everything up to it.
    pub(crate) async fn newest(&mut self) -> Result<u64, Error> {
        let newest = self.events(&[("tail", "1")], Some(1)).await?;
        Ok(newest.last().map_or(0, |event| event.sequence))
    }

    /// The events there are, at most `limit`. What is asked for after it shows what came of them: the log is ahead of the
    /// views, and who waited for what happens next would wait for what had happened.
    pub(crate) async fn events(
        &mut self,
        query: &[(&str, &str)],
        limit: Option<u64>,
    ) -> Result<Vec<Stored>, Error> {
        let mut events: Vec<Stored> = Vec::new();
        self.pages(&["event"], query, limit, |item| {
            events.push(serde_json::from_str(item.get())?);
            Ok(())
        })
        .await?;
        let newest = events.iter().map(|event| event.sequence).max();
        self.seen(newest.unwrap_or(0));
        Ok(events)
    }
}
