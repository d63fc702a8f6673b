//! Why the views could not answer, or do not go on.

use std::path::PathBuf;

use eai_core::log;

/// What can go wrong on the read side.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The views stopped for good, so that nothing wrong is served.
    #[error("the views are halted: {reason}")]
    Halted {
        /// What was found, and what to do.
        reason: String,
    },
    /// The views did not reach a sequence in time; what was asked is stored, and will be seen.
    #[error("the views are at sequence {reached} and do not have {wanted} yet: ask again")]
    Behind {
        /// What was waited for.
        wanted: u64,
        /// Where the views are.
        reached: u64,
    },
    /// What is asked for did not happen yet.
    #[error("sequence {wanted} is not there yet: the log ends at {last}")]
    Future {
        /// What was asked for.
        wanted: u64,
        /// Where the log ends.
        last: u64,
    },
    /// The views do not belong to the log, or are ahead of it.
    #[error("{0}")]
    Mismatch(String),
    /// The log could not be read, or is damaged.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The database refused.
    #[error("the views' database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row that no version wrote.
    #[error("the views' database has a row that cannot be read: {0}")]
    Row(String),
    /// A file could not be made or moved.
    #[error("cannot use {path}: {source}", path = .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether going on could only make it worse: the log or the views are not what they were.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Halted { .. } | Self::Mismatch(_) | Self::Row(_) => true,
            Self::Log(_) => self.is_damaged_log(),
            Self::Database(_) => self.is_broken_database(),
            Self::Behind { .. } | Self::Future { .. } | Self::File { .. } => false,
        }
    }

    /// The log is not what it was: other views would not help.
    pub(crate) fn is_damaged_log(&self) -> bool {
        matches!(
            self,
            Self::Log(log::Error::Damaged(_) | log::Error::Unreadable { .. })
        )
    }

    /// The views' file is not what it was. Anything else that a database says, such as a full disk, may pass.
    pub(crate) fn is_broken_database(&self) -> bool {
        /// A missing table or column, a malformed page, and what is no database.
        const BROKEN: [u32; 3] = [1, 11, 26];
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return false;
        };
        // The lower byte is the code itself, the rest says more about it.
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| BROKEN.contains(&(code & 0xff)))
    }
}
