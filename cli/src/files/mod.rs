//! The user's own files: found, read and written without ever leaving the tree that was named.
//!
//! It knows paths and bytes, and nothing of platforms or versions.

mod pack;
mod read;
mod scan;
mod write;

use std::io;
use std::path::PathBuf;

use eai_core::data::{BadPath, MAX_FILES};

pub(crate) use pack::Pack;
pub(crate) use read::{Hashed, hash, pieces};
pub(crate) use scan::{Found, Tree, scan};
pub(crate) use write::Destination;

/// Why files cannot be pushed or pulled. Nothing was changed by the one that is named.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is {what}: {todo}", path.display())]
    Refused {
        path: PathBuf,
        what: &'static str,
        todo: &'static str,
    },
    #[error(transparent)]
    Path(#[from] BadPath),
    #[error("{} has more than {MAX_FILES} files: pack them into an archive", .0.display())]
    TooMany(PathBuf),
    #[error("{} has no files", .0.display())]
    Empty(PathBuf),
    #[error("{} changed while it was read: push it again when it is still", .0.display())]
    Changed(PathBuf),
    #[error("the content of `{0}` is not what the platform announced: pull it again")]
    Damaged(String),
}

fn read_error(path: impl Into<PathBuf>) -> impl FnOnce(rustix::io::Errno) -> Error {
    let path = path.into();
    move |errno| Error::Read {
        path,
        source: errno.into(),
    }
}

fn write_error(path: impl Into<PathBuf>) -> impl FnOnce(rustix::io::Errno) -> Error {
    let path = path.into();
    move |errno| Error::Write {
        path,
        source: errno.into(),
    }
}
