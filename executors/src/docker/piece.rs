//! The pieces of the engine's log, each with what tells it from all others.

use std::collections::HashMap;

use bollard::container::LogOutput;

use super::state::nanos;
use crate::backend::Kind;

/// How many times are remembered before the older half is forgotten: pieces of one time are never that far apart.
const REMEMBERED: usize = 16 * 1024;

/// What was written at once, as it stands in the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    /// When it was written, in Unix nanoseconds.
    pub(super) time: u64,
    /// Which one it is of those of this time, from 1: the parts of a long line have all the same.
    pub(super) nth: u32,
    pub(super) bytes: Vec<u8>,
}

/// Counts pieces by their time, for one reading of a log.
#[derive(Debug, Default)]
pub(super) struct Counter {
    newer: HashMap<u64, u32>,
    older: HashMap<u64, u32>,
    /// The time of the line that each stream has not ended.
    open: HashMap<Kind, u64>,
}

// === impl Counter ===

impl Counter {
    /// The next piece of the log. None where it is no whole piece.
    pub(super) fn piece(&mut self, frame: LogOutput) -> Option<Piece> {
        let (kind, message) = match frame {
            LogOutput::StdOut { message } => (Kind::Stdout, message),
            LogOutput::StdErr { message } => (Kind::Stderr, message),
            LogOutput::StdIn { .. } | LogOutput::Console { .. } => return None,
        };
        let space = message.iter().position(|byte| *byte == b' ')?;
        let (time, bytes) = message.split_at_checked(space)?;
        let time = nanos(str::from_utf8(time).ok()?)?;
        let bytes = self.end_line(kind, time, bytes.get(1..)?);
        Some(Piece {
            kind,
            time,
            nth: self.count(time),
            bytes,
        })
    }

    /// Engines before 23 lose the end of a line that is longer than 16 KiB: it is known by the next piece, which
    /// is of another time.
    fn end_line(&mut self, kind: Kind, time: u64, bytes: &[u8]) -> Vec<u8> {
        let lost = self.open.remove(&kind).is_some_and(|open| open != time);
        if !bytes.ends_with(b"\n") {
            self.open.insert(kind, time);
        }
        let end: &[u8] = if lost { b"\n" } else { b"" };
        [end, bytes].concat()
    }

    fn count(&mut self, time: u64) -> u32 {
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        let before = self.older.get(&time).copied().unwrap_or_default();
        let count = self.newer.entry(time).or_insert(before);
        *count += 1;
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &'static str) -> LogOutput {
        LogOutput::StdOut {
            message: text.into(),
        }
    }

    #[test]
    fn pieces_of_one_time_are_told_apart() {
        let mut counter = Counter::default();
        let first = counter.piece(out("1970-01-01T00:00:01.5Z a b\n")).unwrap();
        assert_eq!((first.time, first.nth), (1_500_000_000, 1));
        assert_eq!(first.bytes, b"a b\n");
        let between = LogOutput::StdErr {
            message: "1970-01-01T00:00:01.6Z x".into(),
        };
        let between = counter.piece(between).unwrap();
        assert_eq!((between.kind, between.nth), (Kind::Stderr, 1));
        let second = counter.piece(out("1970-01-01T00:00:01.5Z ")).unwrap();
        assert_eq!((second.nth, second.bytes.len()), (2, 0));
    }

    #[test]
    fn a_long_line_has_an_end() {
        let mut counter = Counter::default();
        let mut read = |text| counter.piece(out(text)).unwrap().bytes;
        assert_eq!(read("1970-01-01T00:00:01Z long"), b"long");
        assert_eq!(read("1970-01-01T00:00:01Z er"), b"er");
        assert_eq!(read("1970-01-01T00:00:02Z next\n"), b"\nnext\n");
        assert_eq!(read("1970-01-01T00:00:03Z next\n"), b"next\n");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut counter = Counter::default();
        for time in 0..40_000 {
            assert_eq!(counter.count(time), 1);
        }
        assert_eq!(counter.count(39_999), 2);
        assert!(counter.newer.len() + counter.older.len() <= 2 * REMEMBERED);
    }

    #[test]
    fn what_is_no_piece_is_none() {
        let mut counter = Counter::default();
        let console = LogOutput::Console {
            message: "error".into(),
        };
        assert_eq!(counter.piece(console), None);
        assert_eq!(counter.piece(out("no time")), None);
    }
}
