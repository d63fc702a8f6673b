//! Reading a run's output in pieces, at the reader's pace and with little of it in memory.

use std::collections::VecDeque;

use bytes::Buf;
use serde_json::json;

use super::{Chunk, Error, Output, Source, Start, Stored};
use crate::ids::JobId;
use crate::names::AccountName;

/// Messages asked for at a time.
const ASKED: usize = 256;
/// The most bytes asked for at a time.
const ASKED_BYTES: usize = 1 << 20;

/// A run's output up to what was stored when reading began.
#[derive(Debug)]
pub struct Reader {
    cursor: Cursor,
    /// The last message to read; 0 if there is none.
    last: u64,
}

/// How far a run's output was read.
#[derive(Debug)]
pub(super) struct Cursor {
    output: Output,
    subject: String,
    /// The next message.
    next: u64,
    /// What of the next message's output was read already.
    read: Read,
    /// The message before the next one, where that is known.
    previous: Option<u64>,
    /// What is read and was not handed out yet.
    ready: VecDeque<Chunk>,
    /// The offset of what was handed out last.
    offset: Option<u64>,
}

/// What need not be read again.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// What is not behind this.
    Until(u64),
    /// So many chunks of the next message, and so many bytes of the one behind them.
    Part { chunks: usize, bytes: usize },
}

impl Output {
    /// Reads what is stored of a run's output.
    pub async fn read(
        &self,
        account: &AccountName,
        job: JobId,
        run: u32,
        start: Start,
    ) -> Result<Reader, Error> {
        let subject = super::subject(account, job, run);
        let newest = self.newest(&subject).await?;
        let last = newest.map_or(0, |newest| newest.sequence);
        let cursor = self.cursor(subject, start).await?;
        Ok(Reader { cursor, last })
    }

    pub(super) async fn cursor(&self, subject: String, start: Start) -> Result<Cursor, Error> {
        let mut cursor = Cursor {
            output: self.clone(),
            subject,
            next: 1,
            read: Read::Part {
                chunks: 0,
                bytes: 0,
            },
            previous: Some(0),
            ready: VecDeque::new(),
            offset: None,
        };
        match start {
            Start::Beginning => {}
            Start::Behind(offset) => {
                cursor.next = self.reaching(&cursor.subject, offset).await?;
                cursor.read = Read::Until(offset);
                cursor.previous = None;
            }
            Start::Lines(lines) => {
                if let Some((next, read)) = self.last_lines(&cursor.subject, lines).await? {
                    (cursor.next, cursor.read) = (next, read);
                }
                cursor.previous = None;
            }
        }
        Ok(cursor)
    }

    /// Where the last lines begin: a message, and what of it comes before them.
    async fn last_lines(&self, subject: &str, lines: u64) -> Result<Option<(u64, Read)>, Error> {
        let Some(mut message) = self.newest(subject).await? else {
            return Ok(None);
        };
        if lines == 0 {
            let whole = Read::Part {
                chunks: 0,
                bytes: 0,
            };
            return Ok(Some((message.sequence + 1, whole)));
        }
        let (mut ends, mut newest) = (0, true);
        loop {
            for (chunks, chunk) in message.frames.chunks.iter().enumerate().rev() {
                for (index, byte) in chunk.bytes.iter().enumerate().rev() {
                    // The very last byte ends a line, and begins none.
                    ends += u64::from(*byte == b'\n' && !newest);
                    newest = false;
                    if ends == lines {
                        let read = Read::Part {
                            chunks,
                            bytes: index + 1,
                        };
                        return Ok(Some((message.sequence, read)));
                    }
                }
            }
            let previous = message.frames.previous;
            let earlier = match previous {
                0 => None,
                previous => self.first_from(subject, previous).await?,
            };
            match earlier {
                Some(earlier) if earlier.sequence == previous => message = earlier,
                _ => return Ok(None),
            }
        }
    }
}

// === impl Reader ===

impl Reader {
    /// The next chunk; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        loop {
            if let Some(chunk) = self.cursor.ready() {
                return Ok(Some(chunk));
            }
            if self.cursor.next > self.last || !self.cursor.fill().await? {
                return Ok(None);
            }
        }
    }
}

// === impl Cursor ===

impl Cursor {
    /// The next chunk, if it is here already.
    pub(super) fn ready(&mut self) -> Option<Chunk> {
        let chunk = self.ready.pop_front()?;
        self.offset = Some(chunk.offset);
        Some(chunk)
    }

    /// Looks anew where to go on: a server that lost its end may have begun to count anew there.
    pub(super) async fn find_again(&mut self) -> Result<(), Error> {
        if let (Some(offset), true) = (self.offset, self.ready.is_empty()) {
            let start = Start::Behind(offset);
            *self = self.output.cursor(self.subject.clone(), start).await?;
            self.offset = Some(offset);
        }
        Ok(())
    }

    /// Reads more; answers whether there was any.
    pub(super) async fn fill(&mut self) -> Result<bool, Error> {
        let request = json!({
            "next_by_subj": self.subject, "seq": self.next, "batch": ASKED, "max_bytes": ASKED_BYTES,
        });
        let found = self.output.get(&self.subject, &request).await?;
        let any = !found.is_empty();
        for message in found {
            self.take(message);
        }
        Ok(any)
    }

    fn take(&mut self, message: Stored) {
        let Stored { sequence, frames } = message;
        if sequence < self.next {
            return;
        }
        let part = match self.read {
            Read::Part { chunks, bytes } if sequence == self.next => (chunks, bytes),
            _ => (0, 0),
        };
        self.next = sequence + 1;
        let lost = self
            .previous
            .is_some_and(|previous| previous != frames.previous);
        self.previous = Some(sequence);
        if let (true, Some(first)) = (lost, frames.chunks.first()) {
            self.ready.push_back(Chunk {
                stream: Source::Platform,
                time: first.time,
                offset: self
                    .ready
                    .back()
                    .map(|last| last.offset)
                    .or(self.offset)
                    .unwrap_or(0),
                bytes: "[output before this was not kept]\n".into(),
            });
        }
        for (index, mut chunk) in frames.chunks.into_iter().enumerate().skip(part.0) {
            if index == part.0 {
                chunk.bytes.advance(part.1.min(chunk.bytes.len()));
            }
            let unread = match self.read {
                Read::Until(offset) => Some(chunk).filter(|chunk| chunk.offset > offset),
                Read::Part { .. } => Some(chunk).filter(|chunk| !chunk.bytes.is_empty()),
            };
            if let Some(chunk) = unread {
                self.ready.push_back(chunk);
            }
        }
        if matches!(self.read, Read::Part { .. }) {
            self.read = Read::Part {
                chunks: 0,
                bytes: 0,
            };
        }
    }
}
