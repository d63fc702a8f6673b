//! What a worker has at hand, on disk: should its shim be killed, its tasks have still lost an attempt.
//!
//! It is written for each task, so the file is written over where it is. One write of less than a page is whole or
//! not there when the writer is killed; what is longer goes into a file of its own first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};

use super::files::Files;
use crate::backend::Held;

/// What is written at once.
const PAGE: usize = 4096;

/// What a worker was given and has not got rid of, when it fetched the newest of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    /// Of its shim.
    pub(crate) incarnation: String,
    /// The oldest first.
    pub(crate) held: Vec<Held>,
}

/// The file of a run that has them.
#[derive(Debug)]
pub(super) struct Ledger {
    files: Files,
    file: Option<File>,
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(files: Files) -> Self {
        Self { files, file: None }
    }

    pub(super) fn put(&mut self, attempts: &Attempts) -> io::Result<()> {
        let mut document = serde_json::to_vec(attempts)?;
        if let Some(file) = &self.file
            && document.len() <= PAGE
        {
            // Nothing of what was there before is left behind it: blanks are no part of a document.
            document.resize(PAGE, b' ');
            return match file.write_at(&document, 0) {
                Ok(PAGE) => Ok(()),
                Ok(_) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) => Err(error),
            };
        }
        let file = self.files.put_attempts(attempts)?;
        // A longer one would show behind what is written over it.
        self.file = (document.len() <= PAGE).then_some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(count: usize) -> Attempts {
        let held = (0..count).map(|number| Held {
            id: format!("{number:036}"),
            attempt: 1,
            begun: Some(u64::MAX),
            deadline: u64::MAX,
        });
        Attempts {
            incarnation: "i".repeat(32),
            held: held.collect(),
        }
    }

    #[test]
    fn what_was_put_last_is_there_however_long_it_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned());
        let mut ledger = Ledger::new(files.clone());
        for count in [0, 1, 3, 1, 17, 0, 100, 2, 100, 99, 1, 0] {
            let put = attempts(count);
            ledger.put(&put).unwrap();
            assert_eq!(files.attempts().unwrap(), Some(put), "{count}");
        }
    }
}
