//! A tar of an image on its way to the engine: looked at as it passes, and given one name, which is not its own choice.
//!
//! Nothing but heads of files and the lists of a saved image is ever in memory.

mod lists;
mod walk;

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};

use walk::Walk;

/// Bytes on their way; an error where their sender broke off.
pub type ImageBytes = BoxStream<'static, io::Result<Bytes>>;

/// The unit of every tar.
const BLOCK: usize = 512;

/// The largest one, in bytes.
pub(super) const MOST: u64 = 64 << 30;

/// What a tar holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Layers and their configuration, as `docker save` writes them.
    Saved,
    /// The files of a root.
    Root,
}

/// Why a tar is no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadArchive {
    /// Nothing came.
    #[error("it is empty: send what `docker save` or `tar` wrote")]
    Empty,
    /// It has to be unpacked first.
    #[error("it is compressed by {0}: unpack it first, and send the tar")]
    Compressed(&'static str),
    /// It does not begin like one.
    #[error("it is no tar: send what `docker save` or `tar` wrote")]
    NoTar,
    /// It goes on as none.
    #[error("it is damaged at byte {0}: make it again")]
    Damaged(u64),
    /// Its end is missing.
    #[error("it breaks off after {0} bytes: make it again")]
    BreaksOff(u64),
    /// It is one of several images.
    #[error("it has {0} images: save one at a time, as `docker save NAME`")]
    Several(usize),
    /// What says which layers there are cannot be used.
    #[error("its {0} cannot be used: {1}")]
    Lists(&'static str, String),
    /// It is larger than any image.
    #[error("it is larger than {} GiB", MOST >> 30)]
    TooLarge,
}

/// A tar whose kind is known.
pub(super) struct Archive {
    input: ImageBytes,
    first: Bytes,
    walk: Walk,
    kind: Kind,
}

/// Why a tar could not be looked at.
pub(super) enum Unread {
    Bad(BadArchive),
    Broken(io::Error),
}

// === impl Archive ===

impl Archive {
    /// Reads as much as tells its kind.
    pub(super) async fn open(mut input: ImageBytes, name: &str) -> Result<Self, Unread> {
        let mut first = BytesMut::new();
        while first.len() < BLOCK {
            match input.next().await {
                Some(Ok(bytes)) => first.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(Unread::Broken(error)),
                None if first.is_empty() => return Err(Unread::Bad(BadArchive::Empty)),
                None => break,
            }
        }
        let kind = walk::kind(&first).map_err(Unread::Bad)?;
        Ok(Self {
            input,
            first: first.freeze(),
            walk: Walk::new(kind, name),
            kind,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What goes to the engine. It ends with an error where the tar is bad, and why is noted.
    pub(super) fn pass(
        self,
        why: Arc<OnceLock<BadArchive>>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let input = stream::iter([Ok(self.first)]).chain(self.input);
        let state = Some((input, self.walk, why));
        let pieces = stream::unfold(state, |state| async {
            let (mut input, mut walk, why) = state?;
            let mut out = Vec::new();
            let failed = match input.next().await {
                Some(Ok(bytes)) => walk.feed(bytes, &mut out).err(),
                Some(Err(error)) => return Some((vec![Err(error)], None)),
                None => {
                    return walk
                        .finish()
                        .err()
                        .map(|bad| (vec![Err(noted(bad, &why))], None));
                }
            };
            let mut pieces: Vec<io::Result<Bytes>> = out.into_iter().map(Ok).collect();
            if let Some(bad) = failed {
                pieces.push(Err(noted(bad, &why)));
                return Some((pieces, None));
            }
            Some((pieces, Some((input, walk, why))))
        });
        pieces.flat_map(stream::iter)
    }
}

fn noted(bad: BadArchive, why: &OnceLock<BadArchive>) -> io::Error {
    let error = io::Error::new(io::ErrorKind::InvalidData, bad.to_string());
    why.set(bad).ok();
    error
}

#[cfg(test)]
mod tests;
