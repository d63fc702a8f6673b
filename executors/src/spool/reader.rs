//! Reads output that is there. Waiting for more is for whoever can hear of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::record::{BODY_MAX, HEADER, Header, Kind};
use super::{segment, segments};

/// The most that is read at once: at least one record.
const READ: usize = 2 * (HEADER + BODY_MAX);

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it came from.
    pub kind: Kind,
    /// When it was written, in Unix milliseconds.
    pub at: u64,
    /// What was written; for [`Kind::Note`] text with its line end.
    pub bytes: Vec<u8>,
    /// The offset to go on from after this one.
    pub next: u64,
}

/// The reading end of a spool.
#[derive(Debug)]
pub(crate) struct Reader {
    folder: PathBuf,
    offset: u64,
    open: Option<(u64, File)>,
    /// Bytes read ahead, from `offset` on.
    ahead: Vec<u8>,
    used: usize,
}

// === impl Reader ===

impl Reader {
    /// Reads from `offset` on: 0, or the `next` of a chunk.
    pub(crate) fn new(folder: &Path, offset: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            offset,
            open: None,
            ahead: Vec::new(),
            used: 0,
        }
    }

    /// The next piece that is there; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            if let Some(chunk) = self.parse() {
                return Ok(Some(chunk));
            }
            if let Some(dropped) = self.locate()? {
                return Ok(Some(dropped));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn parse(&mut self) -> Option<Chunk> {
        let rest = self.ahead.get(self.used..)?;
        let header = Header::parse(rest)?;
        let bytes = rest.get(HEADER..HEADER + header.length)?.to_vec();
        self.used += HEADER + header.length;
        self.offset += u64::try_from(HEADER + header.length).ok()?;
        Some(Chunk {
            kind: header.kind,
            at: header.at,
            bytes,
            next: self.offset,
        })
    }

    /// Opens the segment that holds the offset; tells if what was there is gone.
    fn locate(&mut self) -> io::Result<Option<Chunk>> {
        if let Some((start, file)) = &self.open
            && self.offset < start + file.metadata()?.len()
        {
            return Ok(None);
        }
        let starts = match segments(&self.folder) {
            Ok(starts) => starts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let holds = starts.iter().rev().find(|start| **start <= self.offset);
        let (start, dropped) = match (holds, starts.first()) {
            (Some(start), _) => (*start, 0),
            (None, Some(oldest)) => (*oldest, *oldest - self.offset),
            (None, None) => return Ok(None),
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != start) {
            match File::open(segment(&self.folder, start)) {
                Ok(file) => self.open = Some((start, file)),
                // Dropped since it was listed: the next look finds a newer one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if dropped == 0 {
            return Ok(None);
        }
        self.offset = start;
        self.ahead.clear();
        self.used = 0;
        let text = format!("[{dropped} bytes of older output dropped]\n");
        Ok(Some(Chunk {
            kind: Kind::Note,
            at: 0,
            bytes: text.into_bytes(),
            next: start,
        }))
    }

    /// Reads ahead from the offset; whether a whole record is there.
    fn fill(&mut self) -> io::Result<bool> {
        let Some((start, file)) = &self.open else {
            return Ok(false);
        };
        let Some(at) = self.offset.checked_sub(*start) else {
            return Ok(false);
        };
        self.ahead.resize(READ, 0);
        self.used = 0;
        let read = file.read_at(&mut self.ahead, at)?;
        self.ahead.truncate(read);
        let Some(header) = Header::parse(&self.ahead) else {
            if read >= HEADER {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "no record of output begins at offset {} in {}: read from 0",
                        self.offset,
                        self.folder.display()
                    ),
                ));
            }
            return Ok(false);
        };
        Ok(read >= HEADER + header.length)
    }
}
