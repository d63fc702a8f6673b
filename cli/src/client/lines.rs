//! An answer that comes line by line for as long as it takes, and what to do when it is lost.

use std::time::{Duration, Instant};

use reqwest::{Response, StatusCode};

use super::{Call, Client};
use crate::error::Error;

/// The platform says something every 15 s; after three times nothing, nobody is there.
const SILENCE: Duration = Duration::from_secs(45);

/// The connection that lines come from.
struct Lines {
    response: Response,
    buffer: Vec<u8>,
}

/// Lines over any number of connections, one after the other.
#[derive(Default)]
pub(super) struct Feed {
    lines: Option<Lines>,
    lost: Lost,
}

/// Since when nothing came, over how many tries.
#[derive(Default)]
struct Lost {
    since: Option<Instant>,
    failures: u32,
}

// === impl Feed ===

impl Feed {
    /// The next line that says something; none where the platform has nothing at all to say.
    ///
    /// A lost connection is made anew by `call`, and may begin with what the old one ended with. It ends by a
    /// refusal, or if the platform stays away.
    pub(super) async fn next<'a>(
        &mut self,
        client: &mut Client,
        call: impl Fn() -> Call<'a>,
    ) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let lines = match &mut self.lines {
                Some(lines) => lines,
                lost => lost.insert(Lines::open(client, &call()).await?),
            };
            if lines.is_nothing() {
                return Ok(None);
            }
            match lines.next().await {
                Ok(line) => {
                    self.lost.found();
                    if !line.is_empty() {
                        return Ok(Some(line));
                    }
                }
                Err(reason) => {
                    self.lines = None;
                    self.lost.wait(client, reason).await?;
                }
            }
        }
    }
}

// === impl Lines ===

impl Lines {
    async fn open(client: &mut Client, call: &Call<'_>) -> Result<Self, Error> {
        Ok(Self {
            response: client.open(call).await?,
            buffer: Vec::new(),
        })
    }

    /// Whether the platform said that there is nothing at all.
    fn is_nothing(&self) -> bool {
        self.response.status() == StatusCode::NO_CONTENT
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
                Ok(Ok(None)) => return Err("the stream ended".to_owned()),
                Ok(Err(error)) => return Err(super::send::root(&error)),
                Err(_) => return Err("the stream fell silent".to_owned()),
            }
        }
    }
}

// === impl Lost ===

impl Lost {
    /// Something came.
    fn found(&mut self) {
        *self = Self::default();
    }

    /// Waits before the next connection, or gives up.
    async fn wait(&mut self, client: &Client, reason: String) -> Result<(), Error> {
        let since = self.since.get_or_insert_with(Instant::now);
        self.failures += 1;
        let Some(wait) = client.wait(self.failures, since.elapsed()) else {
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
