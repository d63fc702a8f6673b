//! The output of a run: what is stored, and on request what comes until the run ended.
//!
//! As text it is what the run wrote, both streams as they came. As lines of JSON each chunk says where it comes
//! from and where to go on behind it, and a last line says that this was all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use eai_core::ids::JobId;
use eai_core::log::live::{Live, LiveJob, until};
use eai_core::log::output::{self, Chunk, Follower, Output, Reader, Source, Start};
use eai_core::names::AccountName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use super::extract::{Params, Ref};
use super::follow::stopping;
use super::openapi::{Lines, Nothing, Text, Told};
use super::position::PATIENCE;
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;

/// How often an idle stream of JSON shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The pause before output is asked for again where its server was away.
const PAUSE: Duration = Duration::from_millis(100);
/// The media type of output as lines of JSON.
const NDJSON: &str = "application/x-ndjson";

/// What of a job's output is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogQuery {
    /// Go on with what comes until the run ended.
    #[serde(default)]
    follow: bool,
    /// Only the last so many lines.
    tail: Option<u64>,
    /// This run; default the current or last one.
    run: Option<u32>,
    /// Only what is behind the `position` of a chunk.
    after: Option<u64>,
}

/// A line of output as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OutputLine")]
#[serde(untagged)]
pub(crate) enum Piece<'a> {
    /// What was written.
    Written {
        /// Where to go on behind it.
        position: u64,
        /// `stdout`, `stderr` or `platform`.
        stream: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        /// What is not UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
        time: Option<String>,
    },
    /// That this was all.
    End {
        /// Always true.
        end: bool,
    },
}

/// How the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// A run, and how far its output was sent.
struct Sending {
    output: Output,
    live: Live,
    account: AccountName,
    job: JobId,
    run: u32,
    /// Where to begin, or to go on.
    start: Start,
    format: Format,
    stage: Stage,
}

enum Stage {
    /// The run may write more.
    Following(Follower),
    /// What is stored is all there is.
    Reading(Reader),
    /// Everything was sent.
    Over,
}

pub(crate) async fn get(
    State(state): State<Shared>,
    caller: Caller,
    Ref(reference): Ref,
    Params(query): Params<LogQuery>,
    headers: HeaderMap,
) -> Result<Told<(Text, Lines<Piece<'static>>, Nothing)>, ApiError> {
    let row = resolve::job(&state, &caller, &reference).await?;
    let start = query.start();
    let run = query.run.unwrap_or(row.run);
    if run > row.run {
        let text = format!(
            "job {} has no run {run}: its last one is {}",
            row.id, row.run
        );
        return Err(ApiError::not_found(text));
    }
    let slot = Arc::clone(&state.follower_slots)
        .try_acquire_owned()
        .map_err(|_| ApiError::busy("too many clients follow the log: try again later"))?;
    let goes_on = run == row.run && row.state.is_alive();
    let output = state.output.clone();
    let stage = if query.follow && goes_on {
        // What is alive may be known later than the views know it.
        state.live.until(state.views.sequence(), PATIENCE).await;
        Stage::Following(output.follow(&row.account, row.id, run, start).await?)
    } else {
        Stage::Reading(output.read(&row.account, row.id, run, start).await?)
    };
    let mut sending = Sending {
        output,
        live: state.live.clone(),
        account: row.account,
        job: row.id,
        run,
        start,
        format: format(&headers),
        stage,
    };
    let first = match &mut sending.stage {
        Stage::Reading(reader) => match reader.next().await? {
            Some(chunk) => Some(sending.line(&chunk)),
            None => return Ok(StatusCode::NO_CONTENT.into_response().into()),
        },
        Stage::Following(_) | Stage::Over => None,
    };
    Ok(sending.response(first, slot, &state).into())
}

// === impl LogQuery ===

impl LogQuery {
    fn start(&self) -> Start {
        match (self.after, self.tail) {
            (Some(offset), _) => Start::Behind(offset),
            (None, Some(lines)) => Start::Lines(lines),
            (None, None) => Start::Beginning,
        }
    }
}

// === impl Sending ===

impl Sending {
    fn response(
        self,
        first: Option<Bytes>,
        slot: OwnedSemaphorePermit,
        state: &Shared,
    ) -> Response {
        let media_type = match self.format {
            Format::Text => "text/plain; charset=utf-8",
            Format::Json => NDJSON,
        };
        let start = (self, first, state.readiness.clone(), slot);
        let pieces = futures::stream::unfold(start, |state| async {
            let (mut sending, first, mut readiness, slot) = state;
            let piece = if let Some(first) = first {
                Some(Ok(first))
            } else {
                tokio::select! {
                    biased;
                    () = stopping(&mut readiness) => sending.cut("the platform stops"),
                    piece = sending.piece() => piece,
                }
            };
            Some((piece?, (sending, None, readiness, slot)))
        });
        let mut response = Body::from_stream(pieces).into_response();
        let media_type = HeaderValue::from_static(media_type);
        response.headers_mut().insert(CONTENT_TYPE, media_type);
        response
    }

    /// The next piece of the answer; nothing at its end.
    async fn piece(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            // Text has no room for signs of life.
            let next = match self.format {
                Format::Text => self.next().await,
                Format::Json => match timeout(KEEP_ALIVE, self.next()).await {
                    Ok(next) => next,
                    Err(_) => return Some(Ok(Bytes::from_static(b"\n"))),
                },
            };
            match next {
                Ok(Some(chunk)) => return Some(Ok(self.line(&chunk))),
                Ok(None) if matches!(self.stage, Stage::Over) => return None,
                Ok(None) => {
                    self.stage = Stage::Over;
                    let end = json!(Piece::End { end: true });
                    return (self.format == Format::Json).then(|| Ok(format!("{end}\n").into()));
                }
                Err(output::Error::Unavailable(reason)) => {
                    tracing::debug!(reason, "job.logs");
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    let error = ApiError::from(error).document();
                    return match self.format {
                        Format::Text => self.cut(&error.to_string()),
                        Format::Json => {
                            self.stage = Stage::Over;
                            Some(Ok(format!("{error}\n").into()))
                        }
                    };
                }
            }
        }
    }

    /// Ends the answer before its end: text says so by breaking off, lines by not saying that this was all.
    fn cut(&mut self, why: &str) -> Option<io::Result<Bytes>> {
        let broken = self.format == Format::Text && !matches!(self.stage, Stage::Over);
        self.stage = Stage::Over;
        broken.then(|| Err(io::Error::other(why.to_owned())))
    }

    /// The next chunk; nothing when all there is was sent.
    async fn next(&mut self) -> Result<Option<Chunk>, output::Error> {
        loop {
            let chunk = match &mut self.stage {
                Stage::Over => return Ok(None),
                Stage::Reading(reader) => reader.next().await?,
                Stage::Following(follower) => {
                    let chunk = tokio::select! {
                        biased;
                        chunk = follower.next() => Some(chunk?),
                        () = ended(&self.live, self.job, self.run) => None,
                    };
                    if chunk.is_none() {
                        // Everything was stored before the run's end was.
                        let (output, start) = (&self.output, self.start);
                        let reader = output.read(&self.account, self.job, self.run, start);
                        self.stage = Stage::Reading(reader.await?);
                        continue;
                    }
                    chunk
                }
            };
            if let Some(chunk) = &chunk {
                self.start = Start::Behind(chunk.offset);
            }
            return Ok(chunk);
        }
    }

    fn line(&self, chunk: &Chunk) -> Bytes {
        match self.format {
            Format::Text => chunk.bytes.clone(),
            Format::Json => json_line(chunk),
        }
    }
}

/// Waits until a run is over.
async fn ended(live: &Live, job: JobId, run: u32) {
    // What is forgotten ended long ago.
    let Some(seen) = live.job(job) else { return };
    let goes_on = |now: Arc<LiveJob>| now.run == run && now.phase.is_alive();
    until(&seen.changed(), || {
        (!live.job(job).is_some_and(goes_on)).then_some(())
    })
    .await;
}

fn json_line(chunk: &Chunk) -> Bytes {
    let time = i128::from(chunk.time) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(time)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok());
    let stream = match chunk.stream {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
        Source::Platform => "platform",
    };
    let text = std::str::from_utf8(&chunk.bytes);
    let base64 = text.is_err().then(|| BASE64.encode(&chunk.bytes));
    let line = json!(Piece::Written {
        position: chunk.offset,
        stream,
        text: text.ok(),
        base64,
        time,
    });
    format!("{line}\n").into()
}

fn format(headers: &HeaderMap) -> Format {
    let accepts = headers.get_all(ACCEPT).iter();
    let mut texts = accepts.filter_map(|value| value.to_str().ok());
    if texts.any(|text| text.contains(NDJSON)) {
        Format::Json
    } else {
        Format::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_lines_that_say_where_they_end() {
        let chunk = |stream, bytes: &'static [u8]| Chunk {
            stream,
            time: 1_754_419_973_250,
            offset: 12,
            bytes: bytes.into(),
        };
        assert_eq!(
            json_line(&chunk(Source::Stdout, b"a\n")),
            "{\"position\":12,\"stream\":\"stdout\",\"text\":\"a\\n\",\"time\":\"2025-08-05T18:52:53.25Z\"}\n"
        );
        let line = json_line(&chunk(Source::Platform, b"\xff"));
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["base64"], "/w==");
        assert_eq!(line["stream"], "platform");
    }
}
