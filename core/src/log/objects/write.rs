//! Storing contents: streamed in chunks, several on their way at a time, or many small ones together.

use std::time::Duration;

use async_nats::{HeaderMap, Subscriber};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{CHUNK, Error, Meta, Objects, STREAM, chunk_subject, meta_subject};
use crate::digest::Digest;
use crate::log::publish::{Published, nuid, read_ack, send};

/// Chunks of one upload that may be unacknowledged.
const WINDOW: usize = 8;
/// How long the server may take for the next acknowledgement.
const PROGRESS: Duration = Duration::from_secs(10);
/// Contents stored in one batch: two messages each, and the server allows a thousand.
pub(super) const MOST_TOGETHER: usize = 400;

/// A content on its way into the store. Dropped before [`Upload::finish`], nothing of it stays.
#[derive(Debug)]
pub struct Upload {
    objects: Objects,
    digest: Digest,
    size: u64,
    nuid: String,
    hash: Sha256,
    buffer: BytesMut,
    received: u64,
    chunks: u64,
    acks: Option<Subscriber>,
    inbox: String,
    unacknowledged: usize,
    breaks: u64,
    finished: bool,
    /// Nothing is stored.
    checks: bool,
}

impl Objects {
    /// Begins to store a content whose digest and length are announced.
    pub fn upload(&self, digest: Digest, size: u64) -> Upload {
        Upload {
            objects: self.clone(),
            digest,
            size,
            nuid: nuid(),
            hash: Sha256::new(),
            buffer: BytesMut::new(),
            received: 0,
            chunks: 0,
            acks: None,
            inbox: self.inner.connection.client().new_inbox(),
            unacknowledged: 0,
            breaks: self.inner.connection.breaks(),
            finished: false,
            checks: false,
        }
    }

    /// Stores a content that is at hand, unless it is there.
    pub async fn put(&self, digest: Digest, content: Bytes) -> Result<(), Error> {
        if !self.present(&[digest]).await?.is_empty() {
            return Ok(());
        }
        if content.len() <= CHUNK {
            return self.put_all(vec![(digest, content)]).await;
        }
        let mut upload = self.upload(digest, content.len() as u64);
        upload.write(&content).await?;
        upload.finish().await
    }

    /// Stores contents of at most one chunk each together: one disk write for all of them.
    pub async fn put_all(&self, contents: Vec<(Digest, Bytes)>) -> Result<(), Error> {
        for (digest, content) in &contents {
            if content.len() > CHUNK {
                return Err(mismatch(
                    *digest,
                    format!("it is longer than {CHUNK} bytes"),
                ));
            }
            if Digest::of(content) != *digest {
                return Err(mismatch(*digest, "its digest is another one".into()));
            }
        }
        for contents in contents.chunks(MOST_TOGETHER) {
            self.put_batch(contents).await?;
        }
        Ok(())
    }

    async fn put_batch(&self, contents: &[(Digest, Bytes)]) -> Result<(), Error> {
        let mut messages: Vec<(String, Bytes)> = Vec::with_capacity(2 * contents.len());
        for (digest, content) in contents {
            let nuid = nuid();
            let mut chunks = 0;
            if !content.is_empty() {
                messages.push((chunk_subject(&nuid), content.clone()));
                chunks = 1;
            }
            let meta = Meta::new(*digest, &nuid, content.len() as u64, chunks);
            messages.push((meta_subject(*digest), meta_bytes(&meta)?));
        }
        let permit = self.inner.batches.acquire().await;
        let _permit = permit.map_err(|_| Error::Unavailable("it is closing".into()))?;
        let connection = &self.inner.connection;
        connection.until_up().await;
        let count = messages.len();
        let messages = messages.into_iter().map(|(subject, payload)| {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Stream", STREAM);
            (subject, headers, payload)
        });
        let answer = send(connection, messages).await?;
        self.acknowledged(&answer, count)
    }

    fn acknowledged(&self, payload: &[u8], count: usize) -> Result<(), Error> {
        match read_ack(payload, count) {
            Published::Stored(_) => Ok(()),
            Published::Full => Err(Error::Full {
                max_bytes: self.inner.max_bytes,
            }),
            Published::Conflict(reason) | Published::Unknown(reason) => {
                Err(Error::Unavailable(reason))
            }
        }
    }
}

// === impl Upload ===

impl Upload {
    /// Takes the next bytes of a content that is there already: they are compared, and not stored. All of
    /// its bytes come this way, or none.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.checks = true;
        self.count(bytes)
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.received += bytes.len() as u64;
        if self.received > self.size {
            let why = format!("it is longer than {} bytes", self.size);
            return Err(mismatch(self.digest, why));
        }
        self.hash.update(bytes);
        Ok(())
    }

    /// Takes the next bytes. Waits while too much is on its way.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.count(bytes)?;
        while !bytes.is_empty() {
            if self.buffer.capacity() == 0 {
                let expected = usize::try_from(self.size).unwrap_or(CHUNK);
                self.buffer.reserve(CHUNK.min(expected));
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == CHUNK {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Makes the content visible, if it is what was announced.
    pub async fn finish(mut self) -> Result<(), Error> {
        if self.received != self.size {
            let why = format!("it has {} bytes, not {}", self.received, self.size);
            return Err(mismatch(self.digest, why));
        }
        let found = Digest::from(std::mem::take(&mut self.hash));
        if found != self.digest {
            return Err(mismatch(self.digest, format!("its digest is {found}")));
        }
        if self.checks {
            return Ok(());
        }
        if !self.buffer.is_empty() {
            self.send().await?;
        }
        self.until(0).await?;
        let meta = Meta::new(self.digest, &self.nuid, self.size, self.chunks);
        let subject = meta_subject(self.digest);
        let payload = meta_bytes(&meta)?;
        // From here on it may be there, whatever the answer is.
        self.finished = true;
        let connection = &self.objects.inner.connection;
        let answer = connection
            .request(subject, HeaderMap::new(), payload)
            .await?;
        let acknowledged = self.objects.acknowledged(&answer.payload, 1);
        self.finished = acknowledged.is_ok();
        acknowledged
    }

    async fn send(&mut self) -> Result<(), Error> {
        let unavailable = |error: &dyn std::fmt::Display| Error::Unavailable(error.to_string());
        let connection = &self.objects.inner.connection;
        let client = connection.client().clone();
        if self.acks.is_none() {
            connection.until_up().await;
            self.breaks = connection.breaks();
            let acks = client.subscribe(self.inbox.clone()).await;
            self.acks = Some(acks.map_err(|error| unavailable(&error))?);
        }
        self.until(WINDOW - 1).await?;
        let chunk = self.buffer.split().freeze();
        client
            .publish_with_reply(chunk_subject(&self.nuid), self.inbox.clone(), chunk)
            .await
            .map_err(|error| unavailable(&error))?;
        self.chunks += 1;
        self.unacknowledged += 1;
        Ok(())
    }

    /// Waits until at most so many chunks are unacknowledged.
    async fn until(&mut self, most: usize) -> Result<(), Error> {
        let objects = self.objects.clone();
        while self.unacknowledged > most {
            let Some(acks) = &mut self.acks else {
                return Ok(());
            };
            let message = tokio::select! {
                biased;
                message = tokio::time::timeout(PROGRESS, acks.next()) => {
                    message.map_err(|_| Error::Unavailable("no answer to a chunk".into()))?
                }
                () = objects.inner.connection.broken_since(self.breaks) => None,
            };
            let message =
                message.ok_or_else(|| Error::Unavailable("the connection broke".into()))?;
            objects.acknowledged(&message.payload, 1)?;
            self.unacknowledged -= 1;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.finished || self.chunks == 0 {
            return;
        }
        // What is not purged here, because the process ends, the sweeper finds.
        if let Ok(runtime) = Handle::try_current() {
            let (objects, nuid) = (self.objects.clone(), std::mem::take(&mut self.nuid));
            let (acks, unacknowledged) = (self.acks.take(), self.unacknowledged);
            runtime.spawn(async move {
                // What is on its way would come after the purge.
                if let Some(acks) = acks {
                    let landed = acks.take(unacknowledged).count();
                    drop(tokio::time::timeout(PROGRESS, landed).await);
                }
                if let Err(error) = objects.purge(&chunk_subject(&nuid)).await {
                    tracing::debug!(%error, nuid, "objects.purge");
                }
            });
        }
    }
}

fn mismatch(digest: Digest, why: String) -> Error {
    Error::Mismatch { digest, why }
}

fn meta_bytes(meta: &Meta) -> Result<Bytes, Error> {
    let bytes = serde_json::to_vec(meta).map_err(|error| Error::Unavailable(error.to_string()))?;
    Ok(bytes.into())
}
