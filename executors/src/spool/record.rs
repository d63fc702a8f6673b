//! One piece of output as bytes: length, kind, time, then what was written.

/// The bytes before what was written.
pub(crate) const HEADER: usize = 4 + 1 + 8;

/// The most that one record holds.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// Where a piece of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command's standard output.
    Stdout,
    /// The command's standard error.
    Stderr,
    /// The platform, for people: why a command could not be run, or that output was lost.
    Note,
}

/// The start of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) kind: Kind,
    /// Unix milliseconds.
    pub(crate) at: u64,
}

// === impl Kind ===

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Note => 3,
        }
    }

    fn parse(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::Note),
            _ => None,
        }
    }
}

// === impl Header ===

impl Header {
    pub(crate) fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let length = u32::try_from(self.length).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        bytes[4] = self.kind.byte();
        bytes[5..].copy_from_slice(&self.at.to_be_bytes());
        bytes
    }

    /// None where `bytes` is no header: too short, or something else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first()?;
        let (at, _) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        (length <= BODY_MAX).then_some(())?;
        Some(Self {
            length,
            kind: Kind::parse(*kind)?,
            at: u64::from_be_bytes(*at),
        })
    }
}
