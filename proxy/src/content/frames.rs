//! Contents one behind the other in one body: a head, then the bytes, and so on to the end.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use eai_core::data::{BadHead, Head};
use futures::StreamExt;

/// How long a client may send nothing.
const STALL: Duration = Duration::from_mins(1);

/// How long what nobody wants is read.
const DRAIN: Duration = Duration::from_secs(10);

/// Reads contents from a body.
pub(crate) struct Frames {
    body: BodyDataStream,
    buffer: BytesMut,
}

/// Why a body could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The client went away.
    Broken,
    /// The client sent nothing for too long.
    Stalled,
    /// What stands there is no head.
    Head,
}

// === impl Frames ===

impl Frames {
    pub(crate) fn new(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            buffer: BytesMut::new(),
        }
    }

    /// Which content comes next; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Head>, Fault> {
        loop {
            let head = Head::read(&self.buffer).map_err(|BadHead| Fault::Head)?;
            if let Some((head, length)) = head {
                self.buffer.advance(length);
                return Ok(Some(head));
            }
            match self.read().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(Fault::Broken),
            }
        }
    }

    /// The next bytes of a content of which `left` bytes are to come.
    pub(crate) async fn piece(&mut self, left: u64) -> Result<Bytes, Fault> {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        if !self.buffer.is_empty() {
            let now = self.buffer.len().min(most);
            return Ok(self.buffer.split_to(now).freeze());
        }
        let mut bytes = self.read().await?.ok_or(Fault::Broken)?;
        if bytes.len() > most {
            self.buffer.extend_from_slice(&bytes[most..]);
            bytes.truncate(most);
        }
        Ok(bytes)
    }

    /// Reads what is left, for a while.
    pub(crate) async fn drain(&mut self) {
        let all = async { while matches!(self.read().await, Ok(Some(_))) {} };
        drop(tokio::time::timeout(DRAIN, all).await);
    }

    /// Whatever comes next, of a body that is nothing but bytes.
    pub(crate) async fn read(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            match tokio::time::timeout(STALL, self.body.next()).await {
                Err(_) => return Err(Fault::Stalled),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(Fault::Broken),
                Ok(Some(Ok(bytes))) if bytes.has_remaining() => return Ok(Some(bytes)),
                Ok(Some(Ok(_))) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use eai_core::digest::Digest;

    use super::*;

    fn frames(pieces: &[&[u8]]) -> Frames {
        let pieces: Vec<Result<Bytes, std::io::Error>> = pieces
            .iter()
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Frames::new(Body::from_stream(futures::stream::iter(pieces)))
    }

    async fn all(mut frames: Frames) -> Result<Vec<(Digest, Vec<u8>)>, Fault> {
        let mut found = Vec::new();
        while let Some(Head { digest, size }) = frames.next().await? {
            let mut content = Vec::new();
            while (content.len() as u64) < size {
                content.extend_from_slice(&frames.piece(size - content.len() as u64).await?);
            }
            found.push((digest, content));
        }
        Ok(found)
    }

    #[tokio::test]
    async fn contents_are_read_however_they_are_cut() {
        let contents = [b"abc".to_vec(), Vec::new(), b"1 2\n3\n".to_vec()];
        let mut text = Vec::new();
        for content in &contents {
            let head = Head {
                digest: Digest::of(content),
                size: content.len() as u64,
            };
            text.extend_from_slice(head.to_string().as_bytes());
            text.extend_from_slice(content);
        }
        let expected: Vec<_> = contents
            .iter()
            .map(|content| (Digest::of(content), content.clone()))
            .collect();
        for length in 1..=text.len() {
            let pieces: Vec<&[u8]> = text.chunks(length).collect();
            assert_eq!(all(frames(&pieces)).await.unwrap(), expected, "{length}");
        }
        for end in 1..text.len() {
            let whole = all(frames(&[&text[..end]])).await;
            let boundary = whole.is_ok();
            // Only at the end of a content is there nothing missing.
            assert_eq!(boundary, [70, 137].contains(&end), "{end}: {whole:?}");
        }
        assert_eq!(all(frames(&[])).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_no_head_is_refused() {
        let digest = Digest::of(b"");
        for bad in [
            format!("{digest}\n"),
            format!("{digest} \n"),
            format!("{digest} -1\n"),
            format!("{digest} +1\n"),
            format!("{digest}  1\n"),
            format!("{digest} 99999999999999999999\n"),
            format!("{} 1\n", digest.to_string().to_uppercase()),
            "x".repeat(100),
        ] {
            let fault = all(frames(&[bad.as_bytes()])).await.unwrap_err();
            assert_eq!(fault, Fault::Head, "{bad}");
        }
    }
}
