//! Writes output. A disk that is full costs output, never the run.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::record::{BODY_MAX, HEADER, Header, Kind};
use super::segment;

/// The most that one segment holds.
const SEGMENT: u64 = 8 * 1024 * 1024;

/// The writing end of a spool.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    /// The most that all segments hold together.
    limit: u64,
    file: File,
    /// The starts of the segments that are there; the last is being written.
    starts: VecDeque<u64>,
    end: u64,
    /// Bytes that could not be written, and were not told yet.
    lost: u64,
    scratch: Vec<u8>,
}

// === impl Writer ===

impl Writer {
    /// Begins a spool in `folder`, which must be empty; it never holds much more than `limit` bytes.
    pub(crate) fn new(folder: &Path, limit: u64) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            limit: limit.max(2 * SEGMENT),
            file: create(folder, 0)?,
            starts: VecDeque::from([0]),
            end: 0,
            lost: 0,
            scratch: Vec::with_capacity(1024),
        })
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Writes one piece; `at` is in Unix milliseconds.
    pub(crate) fn write(&mut self, kind: Kind, at: u64, bytes: &[u8]) {
        for piece in bytes.chunks(BODY_MAX) {
            if self.lost > 0 {
                let lost = format!(
                    "[{} bytes of output lost: the disk took no more]\n",
                    self.lost
                );
                if self.append(Kind::Note, at, lost.as_bytes()).is_ok() {
                    self.lost = 0;
                }
            }
            if self.append(kind, at, piece).is_err() {
                self.lost = self.lost.saturating_add(length(piece.len()));
            }
        }
    }

    fn append(&mut self, kind: Kind, at: u64, bytes: &[u8]) -> io::Result<()> {
        let start = self.starts.back().copied().unwrap_or_default();
        if self.end - start >= SEGMENT {
            self.turn()?;
        }
        let header = Header {
            length: bytes.len(),
            kind,
            at,
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(&header.bytes());
        self.scratch.extend_from_slice(bytes);
        if let Err(error) = self.file.write_all(&self.scratch) {
            let start = self.starts.back().copied().unwrap_or_default();
            // Half a record would hide all that follows it.
            self.file.set_len(self.end - start)?;
            return Err(error);
        }
        self.end += length(HEADER + bytes.len());
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        while let Some(oldest) = self.starts.front().copied()
            && self.starts.len() > 1
            && self.end - oldest + SEGMENT > self.limit
        {
            std::fs::remove_file(segment(&self.folder, oldest))?;
            self.starts.pop_front();
        }
        self.file = create(&self.folder, self.end)?;
        self.starts.push_back(self.end);
        Ok(())
    }
}

fn create(folder: &Path, start: u64) -> io::Result<File> {
    // Appending, so that what follows a record cut short lands at the end.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(segment(folder, start))
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
