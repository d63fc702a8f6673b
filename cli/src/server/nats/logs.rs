//! What nats-server wrote to its logs during one start, to tell the user why that start failed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::config::Paths;

const LAST_LINES: usize = 3;
/// Enough for the last lines, however long the log is.
const LAST_BYTES: u64 = 16 * 1024;

/// The part of the logs that is written from now on.
#[derive(Debug)]
pub(super) struct Tail<'a> {
    paths: &'a Paths,
    start: u64,
}

// === impl Tail ===

impl<'a> Tail<'a> {
    pub(super) fn from_here(paths: &'a Paths) -> Self {
        let start = fs::metadata(&paths.log).map_or(0, |meta| meta.len());
        Self { paths, start }
    }

    /// The last lines that tell of trouble, ready to follow a text.
    pub(super) fn last_words(&self) -> String {
        let mut lines = troubles(&self.paths.early_log, 0).unwrap_or_default();
        lines.extend(troubles(&self.paths.log, self.start).unwrap_or_default());
        let at = format!("; its log is {}", self.paths.log.display());
        if lines.is_empty() {
            return at;
        }
        let last = lines.split_off(lines.len().saturating_sub(LAST_LINES));
        format!("{at} and says: {}", last.join(" | "))
    }
}

fn troubles(path: &Path, start: u64) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let end = file.metadata()?.len();
    // A log shorter than before was begun anew.
    let start = if start > end { 0 } else { start };
    file.seek(SeekFrom::Start(start.max(end.saturating_sub(LAST_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let tells = |line: &&str| !line.is_empty() && !line.contains("[INF]");
    Ok(text.lines().filter(tells).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_starts_troubles_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        fs::create_dir(&paths.folder).unwrap();
        fs::write(&paths.log, "[ERR] long ago\n").unwrap();
        let tail = Tail::from_here(&paths);
        assert!(!tail.last_words().contains("says"));
        fs::write(&paths.log, "[ERR] long ago\n[INF] hello\n[FTL] no room\n").unwrap();
        fs::write(&paths.early_log, "bad line 3\n").unwrap();
        let words = tail.last_words();
        assert!(
            words.ends_with("and says: bad line 3 | [FTL] no room"),
            "{words}"
        );
    }
}
