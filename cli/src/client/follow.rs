//! Following the events for ever, over any number of connections: none lost, none twice.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::refusal::ErrorBody;
use super::{Call, Client, Refusal};
use crate::error::Error;
use crate::output::Row;

/// The platform says something every 15 s; after three times nothing, nobody is there.
const SILENCE: Duration = Duration::from_secs(45);

/// A place in the events, and the connection that it is read from.
pub(crate) struct Follow {
    filter: Vec<(&'static str, String)>,
    since: String,
    last: Option<u64>,
    lines: Option<Lines>,
    lost: Option<Lost>,
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

/// Since when nothing came, over how many tries.
struct Lost {
    since: Instant,
    failures: u32,
}

struct Lines {
    response: Response,
    buffer: Vec<u8>,
}

// === impl Follow ===

impl Follow {
    /// Follows the events that pass the filter, from `since` on.
    pub(crate) fn new(filter: Vec<(&'static str, String)>, since: String) -> Self {
        Self {
            filter,
            since,
            last: None,
            lines: None,
            lost: None,
        }
    }

    /// The next event. It ends only by an error: a refusal, or a platform that stays away.
    pub(crate) async fn next(&mut self, client: &mut Client) -> Result<Row, Error> {
        loop {
            let lines = match &mut self.lines {
                Some(lines) => lines,
                None => self
                    .lines
                    .insert(Lines::open(client, &self.filter, &self.since).await?),
            };
            match lines.next().await {
                Ok(line) => {
                    self.lost = None;
                    if line.is_empty() {
                        continue;
                    }
                    let stored = parse(client, &line)?;
                    // A new connection may begin with what the old one ended with.
                    if self.last.is_some_and(|last| stored.sequence <= last) {
                        continue;
                    }
                    self.last = Some(stored.sequence);
                    self.since = (stored.sequence + 1).to_string();
                    return stored.row(client);
                }
                Err(reason) => {
                    self.lines = None;
                    self.wait(client, reason).await?;
                }
            }
        }
    }

    /// Waits before the next connection, or gives up.
    async fn wait(&mut self, client: &Client, reason: String) -> Result<(), Error> {
        let lost = self.lost.get_or_insert_with(|| Lost {
            since: Instant::now(),
            failures: 0,
        });
        lost.failures += 1;
        let Some(wait) = client.wait(lost.failures, lost.since.elapsed()) else {
            let url = client.url().to_owned();
            return Err(Error::Unreachable {
                url,
                reason,
                unknown_outcome: None,
            });
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }
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
    /// The events there are, at most `limit`.
    pub(crate) async fn events(
        &mut self,
        query: &[(&str, &str)],
        limit: Option<u64>,
    ) -> Result<Vec<Stored>, Error> {
        let mut events = Vec::new();
        self.pages(&["event"], query, limit, |item| {
            events.push(serde_json::from_str(item.get())?);
            Ok(())
        })
        .await?;
        Ok(events)
    }
}

// === impl Lines ===

impl Lines {
    async fn open(
        client: &mut Client,
        filter: &[(&'static str, String)],
        since: &str,
    ) -> Result<Self, Error> {
        let mut call = Call::get(&["event"])
            .query("follow", "true".to_owned())
            .query("since", since.to_owned());
        for (name, value) in filter {
            call = call.query(name, value.clone());
        }
        Ok(Self {
            response: client.open(&call).await?,
            buffer: Vec::new(),
        })
    }

    /// The next line, or why there is none. Half a line is none: it comes again.
    async fn next(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
            match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.buffer.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Err("the stream of events ended".to_owned()),
                Ok(Err(error)) => return Err(super::send::root(&error)),
                Err(_) => return Err("the stream of events fell silent".to_owned()),
            }
        }
    }
}
