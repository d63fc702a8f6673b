//! How chunks stand in a message: `1`, the previous message's sequence, then each chunk behind its head.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Chunk, Source};

/// The layout that follows.
const VERSION: u8 = 1;
/// What stands before each chunk's bytes.
const HEAD: usize = 1 + 8 + 8 + 4;

/// The chunks of one message, oldest first; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frames {
    /// The sequence of the run's message before this one; 0 if there was none.
    pub(super) previous: u64,
    pub(super) chunks: Vec<Chunk>,
}

// === impl Frames ===

impl Frames {
    pub(super) fn parse(payload: &Bytes) -> Option<Self> {
        let mut rest = payload.clone();
        if rest.try_get_u8().ok()? != VERSION {
            return None;
        }
        let previous = rest.try_get_u64().ok()?;
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let stream = Source::read(rest.try_get_u8().ok()?)?;
            let time = rest.try_get_u64().ok()?;
            let offset = rest.try_get_u64().ok()?;
            let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
            if length > rest.len() {
                return None;
            }
            chunks.push(Chunk {
                stream,
                time,
                offset,
                bytes: rest.split_to(length),
            });
        }
        (!chunks.is_empty()).then_some(Self { previous, chunks })
    }

    pub(super) fn bytes(&self) -> Bytes {
        let length = self.chunks.iter().map(|chunk| HEAD + chunk.bytes.len());
        let mut bytes = BytesMut::with_capacity(9 + length.sum::<usize>());
        bytes.put_u8(VERSION);
        bytes.put_u64(self.previous);
        for chunk in &self.chunks {
            bytes.put_u8(chunk.stream.code());
            bytes.put_u64(chunk.time);
            bytes.put_u64(chunk.offset);
            bytes.put_u32(u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX));
            bytes.put_slice(&chunk.bytes);
        }
        bytes.freeze()
    }

    /// The offset of the last chunk.
    pub(super) fn end(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.offset)
    }
}

// === impl Source ===

impl Source {
    fn code(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Platform => 3,
        }
    }

    fn read(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::Platform),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(stream: Source, offset: u64, bytes: &'static [u8]) -> Chunk {
        Chunk {
            stream,
            time: 7,
            offset,
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn messages_read_back() {
        let frames = Frames {
            previous: 12,
            chunks: vec![
                chunk(Source::Stdout, 3, b"a\0\xff"),
                chunk(Source::Platform, 30, b"said"),
                chunk(Source::Stderr, 40, b"\n"),
            ],
        };
        let bytes = frames.bytes();
        assert_eq!(Frames::parse(&bytes), Some(frames.clone()));
        assert_eq!(frames.end(), 40);
        for end in 0..bytes.len() {
            let cut = Frames::parse(&bytes.slice(..end));
            assert!(cut.is_none_or(|cut| cut.chunks.len() < 3), "{end}");
        }
        let mut other = bytes.to_vec();
        other[0] = 2;
        assert_eq!(Frames::parse(&other.into()), None);
    }
}
