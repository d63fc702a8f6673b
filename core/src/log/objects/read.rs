//! Reading contents: nothing is handed out whole before its digest was compared.

use std::collections::HashSet;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;

use super::{Error, Meta, Objects, STREAM, chunk_subject, meta_subject};
use crate::data::{MAX_MANIFEST, Manifest};
use crate::digest::Digest;
use crate::log::direct;
use crate::log::publish::nuid;

/// Objects asked for at a time.
const ASKED: usize = 256;
/// Chunks asked for at a time.
const RUN: usize = 8;

/// How far a content was read.
struct Reading {
    objects: Objects,
    digest: Digest,
    meta: Meta,
    hash: Sha256,
    next: u64,
    chunks: u64,
    bytes: u64,
    /// Read, and not handed out yet.
    ready: std::collections::VecDeque<Bytes>,
}

impl Objects {
    /// Which of these contents are there.
    pub async fn present(&self, digests: &[Digest]) -> Result<HashSet<Digest>, Error> {
        let mut present = HashSet::new();
        for some in digests.chunks(ASKED) {
            present.extend(
                self.metas(some)
                    .await?
                    .into_iter()
                    .map(|(digest, _)| digest),
            );
        }
        Ok(present)
    }

    async fn metas(&self, digests: &[Digest]) -> Result<Vec<(Digest, Meta)>, Error> {
        let subjects: Vec<_> = digests.iter().map(|digest| meta_subject(*digest)).collect();
        let request = json!({ "multi_last": subjects, "batch": subjects.len() });
        let (found, _) = direct::get(&self.inner.connection, STREAM, &request).await?;
        let read = |message: async_nats::Message| {
            let meta: Meta = serde_json::from_slice(&message.payload).ok()?;
            Some((meta.name.parse().ok()?, meta))
        };
        // What cannot be read is not there: storing it again repairs it.
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// How long a content is.
    pub async fn size(&self, digest: Digest) -> Result<u64, Error> {
        Ok(self.meta(digest).await?.size)
    }

    async fn meta(&self, digest: Digest) -> Result<Meta, Error> {
        let found = self.metas(&[digest]).await?.into_iter().next();
        found.map(|(_, meta)| meta).ok_or(Error::Missing(digest))
    }

    /// A content in pieces. The last piece comes only if all of them are what was stored.
    pub async fn stream(
        &self,
        digest: Digest,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let reading = Reading {
            objects: self.clone(),
            digest,
            meta: self.meta(digest).await?,
            hash: Sha256::new(),
            next: 1,
            chunks: 0,
            bytes: 0,
            ready: std::collections::VecDeque::new(),
        };
        Ok(futures::stream::try_unfold(reading, |mut reading| async {
            let piece = reading.piece().await?;
            Ok(piece.map(|piece| (piece, reading)))
        }))
    }

    /// A content of at most so many bytes, whole.
    pub async fn read(&self, digest: Digest, most: u64) -> Result<Bytes, Error> {
        let mut pieces = std::pin::pin!(self.stream(digest).await?);
        let mut content = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            content.extend_from_slice(&piece?);
            if content.len() as u64 > most {
                let why = format!("it has more than {most} bytes");
                return Err(Error::Damaged { digest, why });
            }
        }
        Ok(content.freeze())
    }

    /// A version's list of files.
    pub async fn manifest(&self, digest: Digest) -> Result<Manifest, Error> {
        let bytes = self.read(digest, MAX_MANIFEST as u64).await?;
        Manifest::parse(&bytes).map_err(|error| Error::Damaged {
            digest,
            why: error.to_string(),
        })
    }

    /// Writes a content to a file that appears only once it is complete; how long it is.
    ///
    /// The file is written beside `path` under another name first, with the mode of a file of our own.
    pub async fn fetch(&self, digest: Digest, path: &Path) -> Result<u64, Error> {
        let failed = |source| Error::File {
            path: path.to_owned(),
            source,
        };
        let mut pieces = std::pin::pin!(self.stream(digest).await?);
        let temporary = path.with_file_name(format!(".{}.part", nuid()));
        let written = async {
            let mut file = tokio::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&temporary)
                .await
                .map_err(failed)?;
            let mut size = 0;
            while let Some(piece) = pieces.try_next().await? {
                size += piece.len() as u64;
                file.write_all(&piece).await.map_err(failed)?;
            }
            file.flush().await.map_err(failed)?;
            drop(file);
            tokio::fs::rename(&temporary, path).await.map_err(failed)?;
            Ok(size)
        };
        let written = written.await;
        if written.is_err() {
            // The first error is the one to tell.
            drop(tokio::fs::remove_file(&temporary).await);
        }
        written
    }
}

// === impl Reading ===

impl Reading {
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        // One piece is held back until it is known whether there is another one.
        while self.ready.len() < 2 && self.chunks < self.meta.chunks {
            self.run().await?;
        }
        if self.chunks == self.meta.chunks && self.ready.len() <= 1 {
            self.verify()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Reads the next chunks.
    async fn run(&mut self) -> Result<(), Error> {
        let left = usize::try_from(self.meta.chunks - self.chunks).unwrap_or(RUN);
        let request = json!({
            "next_by_subj": chunk_subject(&self.meta.nuid), "seq": self.next, "batch": left.min(RUN),
        });
        let (found, _) = direct::get(&self.objects.inner.connection, STREAM, &request).await?;
        if found.is_empty() {
            let why = format!("it has {} chunks of {}", self.chunks, self.meta.chunks);
            return Err(self.damaged(why));
        }
        for message in found {
            self.next = direct::number(&message, "Nats-Sequence") + 1;
            self.chunks += 1;
            self.bytes += message.payload.len() as u64;
            self.hash.update(&message.payload);
            self.ready.push_back(message.payload);
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), Error> {
        let found = Digest::from(self.hash.clone());
        if found != self.digest || self.bytes != self.meta.size {
            let why = format!("{} bytes with the digest {found} were read", self.bytes);
            return Err(self.damaged(why));
        }
        Ok(())
    }

    fn damaged(&self, why: String) -> Error {
        Error::Damaged {
            digest: self.digest,
            why,
        }
    }
}
