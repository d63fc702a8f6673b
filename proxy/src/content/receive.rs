//! Contents on their way in: many small ones are stored together, large ones as they come.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use eai_core::data::Head;
use eai_core::digest::Digest;
use eai_core::ids::DataId;
use eai_core::log::objects::{CHUNK, Error};

use super::frames::{Fault, Frames};
use super::{Contents, DiskFull};

/// Small contents that are kept in memory to be stored together, in bytes.
const TOGETHER: usize = 2 << 20;
/// And how many.
const MOST_TOGETHER: usize = 400;

/// Why contents were not all stored. Those before the one that failed are, mostly.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The body cannot be read.
    Body(Fault),
    /// A content cannot be stored.
    Store(Error),
    /// There is no room for a content.
    Disk(DiskFull),
}

/// Small contents that wait for others.
#[derive(Default)]
struct Waiting {
    contents: Vec<(Digest, Bytes)>,
    bytes: usize,
}

/// Stores every content of a body as sent for a data resource; how many there were.
pub(crate) async fn receive(contents: &Contents, data: DataId, body: Body) -> Result<u64, Broken> {
    let permit = contents.receivers.acquire().await;
    let _permit = permit.map_err(|_| Broken::Body(Fault::Broken))?;
    let mut frames = Frames::new(body);
    let received = all(contents, data, &mut frames).await;
    if received.is_err() {
        // A client that still sends when the connection is closed would never see the answer.
        frames.drain().await;
    }
    received
}

async fn all(contents: &Contents, data: DataId, frames: &mut Frames) -> Result<u64, Broken> {
    let mut waiting = Waiting::default();
    let mut count = 0;
    while let Some(Head { digest, size }) = frames.next().await? {
        count += 1;
        contents.disk.room(size).map_err(Broken::Disk)?;
        if size > CHUNK as u64 {
            waiting.store(contents, data).await?;
            large(contents, frames, digest, size).await?;
            contents.note_sent(data, digest);
            continue;
        }
        let content = small(frames, size).await?;
        waiting.bytes += content.len();
        waiting.contents.push((digest, content));
        if waiting.bytes >= TOGETHER || waiting.contents.len() >= MOST_TOGETHER {
            waiting.store(contents, data).await?;
        }
    }
    waiting.store(contents, data).await?;
    Ok(count)
}

async fn small(frames: &mut Frames, size: u64) -> Result<Bytes, Broken> {
    let mut content = BytesMut::new();
    while (content.len() as u64) < size {
        content.extend_from_slice(&frames.piece(size - content.len() as u64).await?);
    }
    Ok(content.freeze())
}

async fn large(
    contents: &Contents,
    frames: &mut Frames,
    digest: Digest,
    size: u64,
) -> Result<(), Broken> {
    // What is there is read all the same: only who has the content may use it.
    let there = contents.objects.present(&[digest]).await?.contains(&digest);
    let mut upload = contents.objects.upload(digest, size);
    let mut left = size;
    while left > 0 {
        let piece = frames.piece(left).await?;
        left -= piece.len() as u64;
        if there {
            upload.check(&piece)?;
        } else {
            upload.write(&piece).await?;
        }
    }
    upload.finish().await?;
    Ok(())
}

// === impl Waiting ===

impl Waiting {
    async fn store(&mut self, contents: &Contents, data: DataId) -> Result<(), Broken> {
        let these = std::mem::take(self).contents;
        let digests: Vec<Digest> = these.iter().map(|(digest, _)| *digest).collect();
        let present = contents.objects.present(&digests).await?;
        let mut new = Vec::new();
        for (digest, content) in these {
            if !present.contains(&digest) {
                new.push((digest, content));
            } else if Digest::of(&content) != digest {
                let why = "its digest is another one".into();
                return Err(Error::Mismatch { digest, why }.into());
            }
        }
        contents.objects.put_all(new).await?;
        for digest in digests {
            contents.note_sent(data, digest);
        }
        Ok(())
    }
}

// === impl Broken ===

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::Body(fault)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
