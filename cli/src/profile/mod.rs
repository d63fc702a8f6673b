//! Profiles and caches: the files of `~/.eai`.
//!
//! Owns their format, their modes (0600 in 0700) and their atomic replacement. It speaks to no
//! platform.

mod cache;
mod config;
mod files;

use std::io;
use std::path::PathBuf;

pub(crate) use cache::{AccessToken, Cache, replaces};
pub(crate) use config::{Config, NewProfile, Profile, write_profile};

/// Why a file of `~/.eai` could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("failed to write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not a config file: {reason}", path.display())]
    Format { path: PathBuf, reason: String },
    #[error("`{0}` cannot be the name of a profile")]
    Name(String),
}

/// Whether a profile may have this name: it is part of file names.
pub(crate) fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
