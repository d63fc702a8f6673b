//! Contents by their SHA-256, in the object store `eai_data` beside the log.
//!
//! An object is there once its last message is: chunks without it are nothing, and are swept away. What is
//! read is compared with its digest before it is used. Who refers to an object is not known here.

mod read;
mod setup;
mod sweep;
mod write;

use std::sync::Arc;

use data_encoding::BASE64URL;
use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore};

pub use setup::set_up;
pub use sweep::{Live, Swept};
pub use write::Upload;

use super::Connection;
use crate::digest::Digest;

/// The bucket's name.
pub const BUCKET: &str = "eai_data";
/// The stream behind it.
pub const STREAM: &str = "OBJ_eai_data";
/// The bytes of a chunk; only the last one of an object may be shorter.
pub const CHUNK: usize = 256 * 1024;
/// Atomic batches at a time: the server allows 50 on a stream.
const BATCHES: usize = 16;

/// The contents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    /// May purge what is in the bucket, and nothing else.
    cleaner: Connection,
    max_bytes: u64,
    batches: Semaphore,
    /// Who relies on an object that nothing refers to yet holds it for reading; the sweeper, for writing.
    relied_on: RwLock<()>,
}

/// Nothing is swept while this is held.
#[derive(Debug)]
pub struct Hold<'a> {
    _guard: RwLockReadGuard<'a, ()>,
}

/// What stands in an object's last message, as every client of such stores reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Meta {
    name: String,
    bucket: String,
    nuid: String,
    size: u64,
    chunks: u64,
    digest: String,
}

/// Why contents could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such content.
    #[error("there is no content {0} in the object store")]
    Missing(Digest),
    /// What came is not what was announced; nothing was stored.
    #[error(
        "the content announced as {digest} is another one: {why}. Read the file again and send it again"
    )]
    Mismatch {
        /// What was announced.
        digest: Digest,
        /// How it differs.
        why: String,
    },
    /// What is stored is not what was written.
    #[error(
        "the content {digest} is damaged in the object store: {why}. Restore the data directory from a copy"
    )]
    Damaged {
        /// Its name.
        digest: Digest,
        /// How it is seen.
        why: String,
    },
    /// There is no room; nothing was stored.
    #[error(
        "the object store is full ({max_bytes} bytes): start the server with a larger --data-max-bytes"
    )]
    Full {
        /// What it may have.
        max_bytes: u64,
    },
    /// The server cannot be reached, or does not answer.
    #[error("the object store does not answer now ({0}): try again")]
    Unavailable(String),
    /// A file could not be written.
    #[error("cannot write {path}")]
    File {
        /// Which one.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

// === impl Objects ===

impl Objects {
    /// Opens the store on a bucket that [`set_up`] found in order. `cleaner` may purge it.
    pub fn new(connection: Connection, cleaner: Connection, max_bytes: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                connection,
                cleaner,
                max_bytes,
                batches: Semaphore::new(BATCHES),
                relied_on: RwLock::new(()),
            }),
        }
    }

    /// How many bytes it may have.
    pub fn max_bytes(&self) -> u64 {
        self.inner.max_bytes
    }

    /// Keeps everything that is there until what refers to it is stored.
    pub async fn hold(&self) -> Hold<'_> {
        Hold {
            _guard: self.inner.relied_on.read().await,
        }
    }
}

// === impl Meta ===

impl Meta {
    fn new(digest: Digest, nuid: &str, size: u64, chunks: u64) -> Self {
        Self {
            name: digest.to_string(),
            bucket: BUCKET.into(),
            nuid: nuid.into(),
            size,
            chunks,
            digest: format!("SHA-256={}", BASE64URL.encode(digest.as_bytes())),
        }
    }
}

/// Where the last message of an object is.
fn meta_subject(digest: Digest) -> String {
    let name = BASE64URL.encode(digest.to_string().as_bytes());
    format!("$O.{BUCKET}.M.{name}")
}

/// Where the chunks of an upload are.
fn chunk_subject(nuid: &str) -> String {
    format!("$O.{BUCKET}.C.{nuid}")
}

impl From<super::Error> for Error {
    fn from(error: super::Error) -> Self {
        match error {
            super::Error::Unavailable(reason) => Self::Unavailable(reason),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
