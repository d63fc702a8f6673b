//! Which piece of the engine's log each offset of a run's output is.
//!
//! The engine knows times and no offsets, and drops what is oldest. So each place that output is handed out up to
//! is noted in a file before it is: whoever goes on there finds the piece by its time, whatever was dropped. It is
//! no system of record: without it, bytes are counted from the beginning of the log.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The most bytes of a file; it begins anew with the newest marks.
const LONGEST: u64 = 256 * 1024;

/// The place behind a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: u64,
    /// When the piece was written, in Unix nanoseconds.
    pub(super) time: u64,
    /// Which one it is of those that were written at this time, from 1.
    pub(super) nth: u32,
    /// Whether nothing comes behind it.
    pub(super) over: bool,
}

/// The marks of one run: a line each, added at the end.
#[derive(Debug)]
pub(super) struct Marks {
    path: PathBuf,
    /// Open once something was noted, with its length.
    file: Option<(File, u64)>,
}

// === impl Marks ===

impl Marks {
    pub(super) fn new(folder: &Path, run: &str) -> Self {
        Self {
            path: folder.join(format!("{run}.marks")),
            file: None,
        }
    }

    /// The mark at an offset, if there is one.
    pub(super) fn at(&self, offset: u64) -> Option<Mark> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        // A line that was cut short has no end.
        let (whole, _) = text.rsplit_once('\n')?;
        let mut marks = whole.lines().rev().filter_map(Mark::parse);
        marks.find(|mark| mark.offset == offset)
    }

    /// Notes where output is handed out up to. `before` are places up to which it was: whoever reads goes on at one
    /// of these if it gets nothing more.
    pub(super) fn put<'a>(
        &mut self,
        before: impl IntoIterator<Item = &'a Mark>,
        next: &'a [Mark],
    ) -> io::Result<()> {
        let lines: String = next.iter().map(Mark::line).collect();
        let (mut file, length) = match self.file.take() {
            Some((file, length)) if length < LONGEST => (file, length),
            // What may have been cut short is not added to.
            _ => {
                let half = self.path.with_extension("half");
                let mut file = File::create(&half)?;
                let kept: String = before.into_iter().map(Mark::line).collect();
                file.write_all(kept.as_bytes())?;
                std::fs::rename(half, &self.path)?;
                (file, kept.len().try_into().unwrap_or(LONGEST))
            }
        };
        // At once, so that a reader who is killed leaves whole lines.
        file.write_all(lines.as_bytes())?;
        let added: u64 = lines.len().try_into().unwrap_or(LONGEST);
        self.file = Some((file, length + added));
        Ok(())
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

// === impl Mark ===

impl Mark {
    fn line(&self) -> String {
        let Self {
            offset,
            time,
            nth,
            over,
        } = self;
        format!("{offset} {time} {nth} {}\n", u8::from(*over))
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut next = || words.next()?.parse::<u64>().ok();
        Some(Self {
            offset: next()?,
            time: next()?,
            nth: next()?.try_into().ok()?,
            over: next()? == 1,
        })
    }
}

/// Removes the marks of all runs but these.
pub(super) fn keep_only(folder: &Path, runs: &[&str]) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_kept = path.extension().is_some_and(|end| end == "marks")
            && path
                .file_stem()
                .and_then(|name| name.to_str())
                .is_some_and(|name| runs.contains(&name));
        if !is_kept && let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, "docker.marks");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(offset: u64) -> Mark {
        Mark {
            offset,
            time: offset * 10,
            nth: 1,
            over: false,
        }
    }

    #[test]
    fn marks_are_found_again_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut marks = Marks::new(folder.path(), "a.0.1");
        assert_eq!(marks.at(1), None);
        marks.put(&[], &[mark(1)]).unwrap();
        marks.put(&[], &[mark(5), mark(9)]).unwrap();
        assert_eq!((marks.at(1), marks.at(9)), (Some(mark(1)), Some(mark(9))));
        assert_eq!(marks.at(2), None);
        // The next reader keeps what it went on from.
        let mut marks = Marks::new(folder.path(), "a.0.1");
        marks.put(&[mark(9)], &[mark(12)]).unwrap();
        assert_eq!((marks.at(9), marks.at(12)), (Some(mark(9)), Some(mark(12))));
        assert_eq!(marks.at(5), None);
        let mut other = Marks::new(folder.path(), "b.0.1");
        other.put(&[], &[mark(2)]).unwrap();
        keep_only(folder.path(), &["b.0.1"]);
        assert_eq!((marks.at(9), other.at(2)), (None, Some(mark(2))));
        other.remove().unwrap();
        other.remove().unwrap();
    }

    #[test]
    fn a_file_of_marks_is_bounded_and_may_be_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let mut marks = Marks::new(folder.path(), "a.0.1");
        for offset in 0..40_000 {
            marks.put(&[], &[mark(offset)]).unwrap();
        }
        assert_eq!(marks.at(39_999), Some(mark(39_999)));
        let path = folder.path().join("a.0.1.marks");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < 300_000, "{}", text.len());
        std::fs::write(&path, "5 50 1 0\n12 12").unwrap();
        assert_eq!((marks.at(5), marks.at(12)), (Some(mark(5)), None));
    }
}
