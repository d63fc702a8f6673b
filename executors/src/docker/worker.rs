//! A worker in a container: its shim is a process of this machine, its output is the engine's.

use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures::StreamExt as _;

use super::piece::Counter;
use super::running::Running;
use super::state::look;
use crate::backend::{Conversation, FromWorker, Left, ToWorker};
use crate::shim::{gone, is_gone};

/// How long the engine may take to tell what was written.
const PATIENCE: Duration = Duration::from_secs(2);
/// How late the engine may take note of what was written.
const LATE: Duration = Duration::from_millis(50);
/// The most bytes that are told: the end of what was written.
const LOGS_MAX: usize = 16 * 1024;
/// The most pieces that the engine is asked for.
const PIECES: &str = "2000";
const SECOND: u64 = 1_000_000;

// === impl Running ===

impl Running {
    /// A conversation with it, if it is a worker.
    pub async fn worker(&self) -> std::io::Result<Conversation> {
        let mut conversation = Conversation::begin(&self.gateway()).await?;
        if let Ok(Some(seen)) = look(self.engine(), self.id()).await {
            let pid = seen.pid.and_then(|pid| i32::try_from(pid).ok());
            conversation.say(&ToWorker::Process { pid }).await?;
        }
        Ok(conversation)
    }

    /// What is left of a worker that ended.
    pub async fn left(&self) -> std::io::Result<Left> {
        let mut conversation = match Conversation::begin(&self.gateway()).await {
            Ok(conversation) => conversation,
            Err(error) if is_gone(&error) => return self.gateway_files().left(),
            Err(error) => return Err(error),
        };
        let mut left = Left::default();
        let mut held = None;
        // Whatever there is to hear comes before the first beat.
        while let Some(heard) = conversation.hear().await? {
            match heard {
                FromWorker::Outcome(outcome) => left.outcomes.push(outcome),
                FromWorker::Hello {
                    incarnation, beat, ..
                } => {
                    left.incarnation = incarnation;
                    held = beat.held;
                }
                FromWorker::Beat(_) | FromWorker::Busy { .. } => break,
            }
        }
        left.outcomes.extend(held.and_then(gone));
        Ok(left)
    }

    /// What it wrote in a span of time, in Unix microseconds, as far as the engine tells.
    ///
    /// The engine notes a time when it reads a line, which is a little after it was written: so the span ends later,
    /// and may have the first words of what came next.
    pub async fn logs_between(&self, from: u64, to: u64) -> String {
        tokio::time::sleep(LATE).await;
        let to = to.saturating_add(u64::try_from(LATE.as_micros()).unwrap_or(u64::MAX));
        let since = i32::try_from(from / SECOND).unwrap_or_default();
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .tail(PIECES)
            .since(since)
            .build();
        let mut logs = self.engine().docker.logs(self.id(), Some(options));
        let mut counter = Counter::default();
        let mut text = Vec::new();
        let read = async {
            while let Some(Ok(frame)) = logs.next().await {
                let Some(piece) = counter.piece(frame) else {
                    continue;
                };
                let at = piece.time / 1000;
                if (from..=to).contains(&at) {
                    text.extend_from_slice(&piece.bytes);
                    let over = text.len().saturating_sub(LOGS_MAX);
                    text.drain(..over);
                }
            }
        };
        // What was read until then is told.
        drop(tokio::time::timeout(PATIENCE, read).await);
        String::from_utf8_lossy(&text).into_owned()
    }
}
