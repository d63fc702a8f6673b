//! The output of a run on disk: segments of records in a folder, the oldest dropped over a bound.
//!
//! An offset is a place in all that was ever written, so it stays right when segments go.

mod reader;
mod record;
mod writer;

pub use reader::Chunk;
pub(crate) use reader::Reader;
pub use record::Kind;
pub(crate) use writer::Writer;

use std::io;
use std::path::{Path, PathBuf};

/// The starts of the segments in `folder`, oldest first.
fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut starts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        if let Some(start) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            starts.push(start);
        }
    }
    starts.sort_unstable();
    Ok(starts)
}

fn segment(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("{start:020}"))
}

#[cfg(test)]
mod tests;
