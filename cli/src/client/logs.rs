//! What a run wrote, over any number of connections: nothing lost, nothing twice.

use data_encoding::BASE64;
use serde::Deserialize;

use super::lines::Feed;
use super::refusal::ErrorBody;
use super::{Call, Client, Refusal};
use crate::error::Error;

/// Which output is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) job: String,
    pub(crate) run: Option<u32>,
    pub(crate) follow: bool,
    pub(crate) tail: Option<u64>,
}

/// A place in a run's output, and where it comes from.
pub(crate) struct Logs {
    wanted: Wanted,
    after: Option<u64>,
    feed: Feed,
}

/// Something that was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// By the platform, about the run.
    Platform,
}

/// A line of the answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Chunk(Chunk),
    End { end: bool },
    Error { error: ErrorBody },
}

#[derive(Deserialize)]
struct Chunk {
    stream: Stream,
    position: u64,
    text: Option<String>,
    base64: Option<String>,
}

// === impl Logs ===

impl Logs {
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            after: None,
            feed: Feed::default(),
        }
    }

    /// What was written next; nothing at the end.
    pub(crate) async fn next(&mut self, client: &mut Client) -> Result<Option<Written>, Error> {
        loop {
            let call = || self.wanted.call(self.after);
            let Some(line) = self.feed.next(client, call).await? else {
                return Ok(None);
            };
            match parse(client, &line)? {
                Line::Chunk(chunk) => {
                    let written = chunk.written(client)?;
                    self.after = Some(chunk.position);
                    return Ok(Some(written));
                }
                Line::End { end: true } => return Ok(None),
                Line::End { end: false } => {}
                Line::Error { error } => {
                    return Err(Error::Refused(Refusal::from_body(error, 0)));
                }
            }
        }
    }
}

fn parse(client: &Client, line: &[u8]) -> Result<Line, Error> {
    serde_json::from_slice(line).map_err(|error| client.no_answer(&error.to_string()))
}

// === impl Wanted ===

impl Wanted {
    fn call(&self, after: Option<u64>) -> Call<'_> {
        let mut call = Call::get(&["job", &self.job, "logs"]).accept("application/x-ndjson");
        if self.follow {
            call = call.query("follow", "true".to_owned());
        }
        if let Some(run) = self.run {
            call = call.query("run", run.to_string());
        }
        match (after, self.tail) {
            (Some(after), _) => call.query("after", after.to_string()),
            (None, Some(tail)) => call.query("tail", tail.to_string()),
            (None, None) => call,
        }
    }
}

// === impl Chunk ===

impl Chunk {
    fn written(&self, client: &Client) -> Result<Written, Error> {
        let bytes = match (&self.text, &self.base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(base64)) => BASE64
                .decode(base64.as_bytes())
                .map_err(|error| client.no_answer(&error.to_string()))?,
            (None, None) => return Err(client.no_answer("a chunk of output without bytes")),
        };
        Ok(Written {
            stream: self.stream,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let read = |text: &str| serde_json::from_str::<Line>(text).unwrap();
        let chunk = r#"{"position":3,"stream":"stderr","text":"a\n","time":"x"}"#;
        assert!(matches!(read(chunk), Line::Chunk(chunk) if chunk.stream == Stream::Stderr));
        assert!(matches!(read(r#"{"end":true}"#), Line::End { end: true }));
        let error = r#"{"error":{"code":"x","status":500,"message":"m"}}"#;
        assert!(matches!(read(error), Line::Error { .. }));
        assert!(serde_json::from_str::<Line>("{}").is_err());
    }
}
