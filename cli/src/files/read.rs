//! Reading files: their digests first, their contents when they are sent.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use eai_core::data::{File, FilePath};
use eai_core::digest::Digest;
use futures::Stream;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Error, Found, Tree};

/// What is read at a time.
const PIECE: usize = 256 * 1024;
/// Pieces that are read ahead of the network.
const AHEAD: usize = 4;

/// A file whose content is known.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    pub(crate) at: PathBuf,
    pub(crate) path: FilePath,
    pub(crate) file: File,
}

/// Reads a file through, for its digest.
pub(crate) fn hash(tree: &Tree, found: Found) -> Result<Hashed, Error> {
    let failed = |source| Error::Read {
        path: tree.shown(&found.at),
        source,
    };
    let mut file = tree.file(&found.at)?;
    let mode = file.metadata().map_err(failed)?.mode();
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; PIECE];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    let file = File {
        size,
        sha256: Digest::from(hash),
        executable: mode & 0o111 != 0,
    };
    Ok(Hashed {
        at: found.at,
        path: found.path,
        file,
    })
}

/// The contents of files, each behind its head, as they go into a request. `sent` hears of every piece.
pub(crate) fn pieces(
    tree: Arc<Tree>,
    files: Arc<Vec<Hashed>>,
    sent: impl Fn(usize) + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        for file in files.iter() {
            let head = file.file.head().to_string();
            let read = read(&tree, file, &head, |piece| {
                sent(piece.len());
                sender.blocking_send(Ok(piece)).is_ok()
            });
            match read {
                Ok(true) => {}
                // Nobody listens any more.
                Ok(false) => return,
                Err(error) => {
                    drop(sender.blocking_send(Err(error)));
                    return;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Hands over a file in pieces, exactly as long as it was; whether all were taken.
fn read(
    tree: &Tree,
    hashed: &Hashed,
    head: &str,
    take: impl Fn(Bytes) -> bool,
) -> Result<bool, Error> {
    let shown = |at: &Path| tree.shown(at);
    let mut file = tree.file(&hashed.at)?;
    let mut piece = BytesMut::from(head);
    let mut left = hashed.file.size;
    loop {
        let room = usize::try_from(left)
            .unwrap_or(PIECE)
            .min(PIECE - piece.len());
        let start = piece.len();
        piece.resize(start + room, 0);
        file.read_exact(&mut piece[start..]).map_err(|source| {
            if source.kind() == std::io::ErrorKind::UnexpectedEof {
                Error::Changed(shown(&hashed.at))
            } else {
                Error::Read {
                    path: shown(&hashed.at),
                    source,
                }
            }
        })?;
        left -= room as u64;
        if !take(piece.split().freeze()) {
            return Ok(false);
        }
        if left == 0 {
            return Ok(true);
        }
    }
}
