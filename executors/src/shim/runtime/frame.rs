//! Documents on a stream, each behind its length.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf as _, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::backend::PAYLOAD_MAX;

/// The largest document: a payload and what is said around it.
const DOCUMENT_MAX: usize = PAYLOAD_MAX + 512 * 1024;

/// The bytes of a length.
const LENGTH: usize = 4;

/// The reading end.
#[derive(Debug)]
pub(crate) struct Frames<R, T> {
    stream: R,
    ahead: BytesMut,
    of: PhantomData<fn() -> T>,
}

// === impl Frames ===

impl<R: AsyncRead + Unpin, T: DeserializeOwned> Frames<R, T> {
    pub(crate) fn new(stream: R) -> Self {
        Self::after(&[], stream)
    }

    /// Begins with what was read of the stream before.
    pub(crate) fn after(ahead: &[u8], stream: R) -> Self {
        Self {
            stream,
            ahead: ahead.into(),
            of: PhantomData,
        }
    }

    /// The next document that makes sense here; none once the other side says no more. Dropping the future loses
    /// nothing.
    pub(crate) async fn next(&mut self) -> io::Result<Option<T>> {
        loop {
            while let Some(document) = self.whole()? {
                // One that is newer than this side is passed over.
                if let Ok(document) = serde_json::from_slice(&document) {
                    return Ok(Some(document));
                }
            }
            match self.stream.read_buf(&mut self.ahead).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    fn whole(&mut self) -> io::Result<Option<BytesMut>> {
        let Some(length) = self.ahead.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > DOCUMENT_MAX {
            return Err(too_long(length));
        }
        if self.ahead.len() < LENGTH + length {
            self.ahead.reserve(LENGTH + length - self.ahead.len());
            return Ok(None);
        }
        self.ahead.advance(LENGTH);
        Ok(Some(self.ahead.split_to(length)))
    }
}

/// Says documents, in one go.
pub(crate) async fn say<'a, T: Serialize + 'a>(
    stream: &mut (impl AsyncWrite + Unpin),
    documents: impl IntoIterator<Item = &'a T>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    for document in documents {
        let start = bytes.len();
        bytes.extend([0; LENGTH]);
        serde_json::to_writer(&mut bytes, document)?;
        let length = bytes.len() - start - LENGTH;
        if length > DOCUMENT_MAX {
            return Err(too_long(length));
        }
        let header = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = bytes[start..].first_chunk_mut() {
            *place = header;
        }
    }
    stream.write_all(&bytes).await
}

fn too_long(length: usize) -> io::Error {
    let told = format!("a document of {length} bytes is too long to be said to a worker");
    io::Error::new(io::ErrorKind::InvalidData, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn documents_are_heard_as_they_were_said() {
        let (mut one, other) = tokio::io::duplex(7);
        let said = async {
            for number in 0..100_u32 {
                say(&mut one, [&number]).await.unwrap();
            }
            say(&mut one, [&"what is that"]).await.unwrap();
            say(&mut one, [&100_u32]).await.unwrap();
            drop(one);
        };
        let heard = async {
            let mut frames: Frames<_, u32> = Frames::new(other);
            let mut heard = Vec::new();
            while let Some(number) = frames.next().await.unwrap() {
                heard.push(number);
            }
            heard
        };
        let ((), heard) = tokio::join!(said, heard);
        assert_eq!(heard, (0..=100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_length_without_bounds_is_refused() {
        let mut frames: Frames<_, u32> = Frames::new(&[255, 255, 255, 255, 1][..]);
        assert!(frames.next().await.is_err());
        let mut cut_short: Frames<_, u32> = Frames::new(&[0, 0, 0, 9, 1][..]);
        assert!(cut_short.next().await.unwrap().is_none());
    }
}
