//! Which piece of the engine's log each offset of a run's output is.
//!
//! The engine knows times and no offsets, and drops what is oldest. So each place that output is handed out up to
//! is noted in a file before it is: whoever goes on there finds the piece by its time, whatever was dropped. It is
//! no system of record: without it, bytes are counted from the beginning of the log.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The place behind a piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) offset: u64,
    /// When the piece was written, in Unix nanoseconds.
    pub(super) time: u64,
    /// Which one it is of those that were written at this time, from 1.
    pub(super) nth: u32,
    /// Whether nothing comes behind it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) over: bool,
}

/// The marks of one run.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    path: PathBuf,
}

// === impl Marks ===

impl Marks {
    pub(super) fn new(folder: &Path, run: &str) -> Self {
        Self {
            path: folder.join(format!("{run}.marks")),
        }
    }

    /// The mark at an offset, if there is one.
    pub(super) fn at(&self, offset: u64) -> Option<Mark> {
        let text = std::fs::read(&self.path).ok()?;
        let marks: Vec<Mark> = serde_json::from_slice(&text).ok()?;
        marks.into_iter().find(|mark| mark.offset == offset)
    }

    /// Notes where output is handed out up to, behind the places `before`: whoever reads goes on at one of these if
    /// it gets nothing of it.
    pub(super) fn put<'a>(
        &self,
        before: impl IntoIterator<Item = &'a Mark>,
        next: &'a [Mark],
    ) -> io::Result<()> {
        let marks: Vec<_> = before.into_iter().chain(next).collect();
        let half = self.path.with_extension("half");
        std::fs::write(&half, serde_json::to_vec(&marks)?)?;
        std::fs::rename(half, &self.path)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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
        let marks = Marks::new(folder.path(), "a.0.1");
        assert_eq!(marks.at(1), None);
        marks.put(&[mark(1)], &[mark(5), mark(9)]).unwrap();
        marks.put(&[mark(1), mark(9)], &[mark(12)]).unwrap();
        assert_eq!(marks.at(9), Some(mark(9)));
        assert_eq!(marks.at(12), Some(mark(12)));
        assert_eq!(marks.at(5), None);
        let other = Marks::new(folder.path(), "b.0.1");
        other.put(&[], &[mark(2)]).unwrap();
        keep_only(folder.path(), &["b.0.1"]);
        assert_eq!((marks.at(9), other.at(2)), (None, Some(mark(2))));
        other.remove().unwrap();
        other.remove().unwrap();
    }
}
