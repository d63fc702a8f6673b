//! The log as a stream of lines: its past at the pace of who reads it, then events as they come.
//!
//! The past is read in pages: a consumer of the server's would send it as fast as it can, whoever reads, and
//! some hundred of them at once are more than a connection takes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use eai_core::log::{self, Log, Position, Recorded, Subscription};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::event::{MOST, line, newest};
use super::event_filter::EventFilter;
use super::health::Readiness;
use super::list::limit;
use super::{ApiError, Shared};

/// How often an idle stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The pause before the log is asked again where it was away.
const PAUSE: Duration = Duration::from_millis(100);
/// How many events are read ahead of a client.
const PAGE: usize = 256;
/// How many clients read the past in the same moment: the server drops a connection that it has to hold too
/// much for.
static READERS: Semaphore = Semaphore::const_new(16);

/// A stream that ends when the client goes, the platform stops, or the log is damaged.
pub(super) async fn follow(
    state: Shared,
    filter: EventFilter,
    tail: Option<u32>,
) -> Result<Response, ApiError> {
    let slot = Arc::clone(&state.follower_slots)
        .try_acquire_owned()
        .map_err(|_| ApiError::busy("too many clients follow the log: try again later"))?;
    let log = &state.followers;
    let position = match tail {
        None => filter.from,
        Some(0) => Position::Sequence(log.last_sequence().await? + 1),
        Some(tail) => {
            let end = log.last_sequence().await?;
            let last = newest(log, &filter, limit("tail", Some(tail), MOST)? as usize).await?;
            Position::Sequence(last.first().map_or(end + 1, |event| event.sequence))
        }
    };
    let following = Following::new(log.clone(), filter, position);
    let start = Some((following, state.readiness.clone(), slot));
    let lines = futures::stream::unfold(start, |state| async {
        let (mut following, mut readiness, slot) = state?;
        let line = tokio::select! {
            biased;
            () = stopping(&mut readiness) => return None,
            line = following.line() => line,
        };
        Some(match line {
            Ok(line) => (
                Ok::<_, Infallible>(line),
                Some((following, readiness, slot)),
            ),
            Err(last) => (Ok(last), None),
        })
    });
    let mut response = Body::from_stream(lines).into_response();
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, ndjson);
    Ok(response)
}

pub(crate) async fn stopping(readiness: &mut watch::Receiver<Readiness>) {
    // An error means that nobody can say any more that the platform serves.
    drop(readiness.wait_for(|now| *now == Readiness::Stopping).await);
}

/// A reader of the log, and where it is.
#[derive(Debug)]
struct Following {
    log: Log,
    filter: EventFilter,
    /// Where the next page begins.
    position: Position,
    /// The newest event that was read: a log that ends before it has lost its end.
    seen: u64,
    /// What was read and not asked for yet.
    buffer: VecDeque<Recorded>,
    /// The present, once the past is read.
    live: Option<Subscription>,
}

impl Following {
    fn new(log: Log, filter: EventFilter, position: Position) -> Self {
        Self {
            log,
            filter,
            position,
            seen: 0,
            buffer: VecDeque::new(),
            live: None,
        }
    }

    /// The next line, or a blank one to keep the connection alive; an error is the last line.
    async fn line(&mut self) -> Result<Bytes, Bytes> {
        let failed = |error: ApiError| Bytes::from(format!("{}\n", error.document()));
        let alive = Instant::now() + KEEP_ALIVE;
        loop {
            match timeout_at(alive, self.next()).await {
                Err(_) => return Ok(Bytes::from_static(b"\n")),
                Ok(Err(log::Error::Unavailable(reason))) => {
                    // The server is away: the stream goes on where it was once it is back.
                    tracing::debug!(reason, "events.follow");
                    sleep(PAUSE).await;
                }
                Ok(Err(error)) => return Err(failed(error.into())),
                Ok(Ok(event)) if self.filter.is_over(&event) => return Err(Bytes::new()),
                Ok(Ok(event)) if self.filter.takes(&event) => {
                    if let Some(line) = line(&event).map_err(failed)? {
                        return Ok(Bytes::from(format!("{line}\n")));
                    }
                }
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Waits for the next event on the subjects. Cancel safe: a dropped wait loses nothing.
    async fn next(&mut self) -> Result<Recorded, log::Error> {
        loop {
            if let Some(event) = self.buffer.pop_front() {
                return Ok(event);
            }
            if let Some(live) = &mut self.live {
                return live.next().await;
            }
            let more = self.read().await?;
            if self.buffer.is_empty() && !more {
                self.attach().await?;
            }
        }
    }

    /// Reads a page; answers whether there are more.
    async fn read(&mut self) -> Result<bool, log::Error> {
        let _turn = READERS.acquire().await;
        let subject = &self.filter.subject;
        let (events, more) = self.log.page(subject, self.position, PAGE).await?;
        if let Some(last) = events.last() {
            self.position = Position::Sequence(last.sequence + 1);
            self.seen = last.sequence;
        }
        self.buffer.extend(events);
        Ok(more)
    }

    /// Goes on with what comes. What was stored since the last page is in it.
    async fn attach(&mut self) -> Result<(), log::Error> {
        let end = self.log.last_sequence().await?;
        if end < self.seen {
            let seen = self.seen;
            return Err(log::Error::Damaged(format!(
                "a reader has seen event {seen}, but the log now ends at {end}"
            )));
        }
        let subject = self.filter.subject.clone();
        self.live = Some(self.log.subscribe(subject, self.position));
        Ok(())
    }
}
