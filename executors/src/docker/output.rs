//! A run's output from an offset on, out of the engine's log: nothing twice, and nothing left out that the engine has.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as Cause;
use bollard::query_parameters::LogsOptionsBuilder;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::watch;

use super::marks::{Mark, Marks};
use super::piece::{Counter, Piece};
use super::running::Running;
use super::state::{Seen, Status, explained, look};
use crate::backend::{Chunk, Kind};

/// The offset of the first byte that the command writes: what the platform says before comes below.
pub(super) const BASE: u64 = 1 << 20;
/// The most pieces that are handed out with one look at the log.
const PIECES: usize = 1024;
/// The most bytes of them.
const BYTES: usize = 256 * 1024;
/// The most bytes of a chunk that several pieces share.
const CHUNK: usize = 32 * 1024;
/// The pause before the log is read again, where nothing is heard of the container.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the log of a container that ended may go on.
const TAIL: Duration = Duration::from_secs(5);
/// Pieces of one moment may stand in the log in any order, most often as far as this, in nanoseconds.
const DISORDER: u64 = 10_000_000;
/// How many places are remembered that were handed out up to: who stores output may lose its last moments.
const REMEMBERED: usize = 32;
const SECOND: u64 = 1_000_000_000;

type Log = Pin<Box<dyn Stream<Item = Result<LogOutput, Cause>> + Send>>;

/// Reads output, whoever else reads it too.
pub struct Output {
    running: Running,
    marks: Marks,
    changes: watch::Receiver<()>,
    /// Where what is handed out ends.
    at: Mark,
    /// Where it ended before.
    before: VecDeque<Mark>,
    skip: Skip,
    counter: Counter,
    log: Option<Log>,
    /// Whether the container had ended before the log was opened: then it is read to its end.
    is_last: bool,
    ahead: VecDeque<Chunk>,
    over: bool,
}

/// What of the log was handed out before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// All up to the piece of the mark, of which nothing was met yet.
    To(Mark),
    /// All up to the piece of the mark, which is on its way.
    UpTo(Mark),
    /// All that is as old as the piece of the mark, which the engine has dropped.
    Older(Mark),
    /// So many bytes.
    Bytes(u64),
}

// === impl Output ===

impl Output {
    pub(super) fn new(running: Running, offset: u64) -> Self {
        let marks = running.marks();
        let mark = marks.at(offset).filter(|_| offset > BASE);
        let nothing = Mark {
            offset: offset.max(BASE),
            time: 0,
            nth: 0,
            over: false,
        };
        let skip = match mark {
            Some(_) => Skip::Nothing,
            None => Skip::Bytes(offset.saturating_sub(BASE)),
        };
        Self {
            marks,
            changes: running.changes(),
            running,
            at: mark.unwrap_or(nothing),
            before: VecDeque::new(),
            skip,
            counter: Counter::default(),
            log: None,
            is_last: false,
            ahead: VecDeque::new(),
            over: mark.is_some_and(|mark| mark.over),
        }
    }

    /// The next piece; waits for it. None once the run is over and all was read.
    ///
    /// Dropping the future loses nothing. Fails where the disk does, or the engine refuses.
    pub async fn next(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            if let Some(chunk) = self.ahead.pop_front() {
                return Ok(Some(chunk));
            }
            if self.over {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// The next piece that is there; none where it would have to be waited for.
    pub fn ready(&mut self) -> Option<Chunk> {
        self.ahead.pop_front()
    }

    /// Reads what is there, or waits for it; hands it out.
    async fn fill(&mut self) -> io::Result<()> {
        if self.log.is_none() && !self.open().await? {
            self.over = true;
            return Ok(());
        }
        let Some(first) = self.heard().await else {
            return Ok(());
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut bytes = 0;
        let mut frame = Some(first);
        while let Some(found) = frame.take() {
            match found {
                Some(Ok(frame)) => match self.counter.piece(frame) {
                    Some(piece) => {
                        bytes += piece.bytes.len();
                        pieces.extend(self.pass(piece));
                    }
                    // The engine broke off in the middle of a piece.
                    None => self.log = None,
                },
                Some(Err(error)) => {
                    tracing::debug!(run = self.running.name(), %error, "docker.log");
                    self.is_last = false;
                    self.log = None;
                }
                None => {
                    self.log = None;
                    self.hand_out(pieces)?;
                    return self.ended().await;
                }
            }
            if pieces.len() < PIECES
                && bytes < BYTES
                && let Some(log) = &mut self.log
            {
                frame = log.next().now_or_never();
            }
        }
        let is_broken = self.log.is_none();
        self.hand_out(pieces)?;
        if is_broken {
            self.pause().await;
        }
        Ok(())
    }

    /// Opens the log behind what was handed out; whether there is one.
    async fn open(&mut self) -> io::Result<bool> {
        self.changes.mark_unchanged();
        let Some(seen) = look_at(&self.running).await? else {
            return Ok(false);
        };
        self.is_last = matches!(seen.status, Status::Ended(_));
        self.counter = Counter::default();
        if self.at.time > 0 {
            self.skip = match self.skip {
                Skip::Older(_) => self.skip,
                _ => Skip::To(self.at),
            };
        } else if self.at.offset > BASE {
            self.skip = Skip::Bytes(self.at.offset - BASE);
        }
        // The engine takes whole seconds from bollard; what is too early is skipped here.
        let since = i32::try_from(self.at.time / SECOND).unwrap_or_default();
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(!self.is_last)
            .since(since)
            .build();
        let engine = self.running.engine();
        self.log = Some(Box::pin(
            engine.docker.logs(self.running.id(), Some(options)),
        ));
        Ok(true)
    }

    /// The next frame of the log. None where it is to be opened again: it says nothing, and the container ended.
    async fn heard(&mut self) -> Option<Option<Result<LogOutput, Cause>>> {
        let log = self.log.as_mut()?;
        let frame = tokio::select! {
            biased;
            frame = log.next() => return Some(frame),
            changed = self.changes.changed() => match changed {
                Ok(()) => tokio::time::timeout(TAIL, log.next()).await.ok(),
                Err(_) => None,
            },
        };
        if frame.is_none() {
            self.log = None;
        }
        frame
    }

    /// What follows the end of the log: the end of the output, if the container had ended before.
    async fn ended(&mut self) -> io::Result<()> {
        if !self.is_last {
            return match look_at(&self.running).await? {
                Some(Seen {
                    status: Status::Ended(_),
                    ..
                })
                | None => Ok(()),
                // Its end is about to be told; or the engine was restarted under it.
                Some(_) => {
                    self.pause().await;
                    Ok(())
                }
            };
        }
        if let Skip::To(mark) | Skip::UpTo(mark) = self.skip {
            self.skip = Skip::Older(mark);
            return Ok(());
        }
        self.over = true;
        let note = last_note(&self.running).await?;
        let Some(note) = note else { return Ok(()) };
        self.remember();
        self.at.offset += u64::try_from(note.len()).unwrap_or_default();
        self.at.over = true;
        self.marks.put(&self.before, &[self.at])?;
        self.ahead.push_back(Chunk {
            kind: Kind::Note,
            at: self.at.time / 1_000_000,
            bytes: note.into_bytes(),
            next: self.at.offset,
        });
        Ok(())
    }

    /// The piece, if it was not handed out before, with what has to be said before it.
    fn pass(&mut self, piece: Piece) -> Vec<Piece> {
        match self.skip {
            Skip::Nothing | Skip::Bytes(0) => {}
            Skip::Bytes(left) => {
                let length = u64::try_from(piece.bytes.len()).unwrap_or_default();
                self.skip = Skip::Bytes(left.saturating_sub(length));
                return Vec::new();
            }
            Skip::To(mark) if piece.time <= mark.time.saturating_add(DISORDER) => {
                self.skip = Skip::UpTo(mark);
                return self.pass(piece);
            }
            Skip::UpTo(mark) if piece.time <= mark.time.saturating_add(SECOND) => {
                if (piece.time, piece.nth) == (mark.time, mark.nth) {
                    self.skip = Skip::Nothing;
                }
                return Vec::new();
            }
            Skip::Older(mark) if piece.time <= mark.time => return Vec::new(),
            Skip::To(_) | Skip::UpTo(_) | Skip::Older(_) => {
                self.skip = Skip::Nothing;
                let note = "[older output dropped: there was more than the engine keeps]\n";
                let dropped = Piece {
                    kind: Kind::Note,
                    time: piece.time,
                    nth: 0,
                    bytes: note.into(),
                };
                return vec![dropped, piece];
            }
        }
        vec![piece]
    }

    /// Notes where the pieces end, and puts them where they are taken from.
    fn hand_out(&mut self, pieces: Vec<Piece>) -> io::Result<()> {
        let (mut at, mut marks) = (self.at, Vec::new());
        let mut chunks: Vec<Chunk> = Vec::new();
        for piece in pieces {
            at.offset += u64::try_from(piece.bytes.len()).unwrap_or_default();
            if piece.kind != Kind::Note {
                (at.time, at.nth) = (piece.time, piece.nth);
            }
            let fits = |chunk: &&mut Chunk| {
                chunk.kind == piece.kind && chunk.bytes.len() + piece.bytes.len() <= CHUNK
            };
            if let Some(chunk) = chunks.last_mut().filter(fits) {
                chunk.bytes.extend_from_slice(&piece.bytes);
                chunk.next = at.offset;
                marks.pop();
            } else {
                chunks.push(Chunk {
                    kind: piece.kind,
                    at: piece.time / 1_000_000,
                    bytes: piece.bytes,
                    next: at.offset,
                });
            }
            marks.push(at);
        }
        if !chunks.is_empty() {
            self.remember();
            self.marks.put(&self.before, &marks)?;
            self.at = at;
            self.ahead.extend(chunks);
        }
        Ok(())
    }

    fn remember(&mut self) {
        if self.at.time > 0 {
            self.before.push_back(self.at);
        }
        if self.before.len() > REMEMBERED {
            self.before.pop_front();
        }
    }

    async fn pause(&mut self) {
        tokio::time::timeout(PAUSE, self.changes.changed())
            .await
            .ok();
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("run", &self.running.name())
            .field("at", &self.at)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

async fn look_at(running: &Running) -> io::Result<Option<Seen>> {
    look(running.engine(), running.id())
        .await
        .map_err(io::Error::other)
}

/// What people are told where they look for the command's own words.
async fn last_note(running: &Running) -> io::Result<Option<String>> {
    let Some(seen) = look_at(running).await? else {
        return Ok(None);
    };
    let Status::Ended(exit) = &seen.status else {
        return Ok(None);
    };
    let exit = explained(running.engine(), &seen, exit.clone()).await;
    let exit = exit.map_err(io::Error::other)?;
    if exit.oom {
        return Ok(Some(format!(
            "[out of memory: the kernel ended a process at the limit of {} MiB; give the job more]\n",
            seen.mem_mib
        )));
    }
    Ok(exit.failure.map(|failure| format!("[{failure}]\n")))
}
