//! What stands before a content where several come one behind the other in one body: `DIGEST SIZE\n`.

use std::fmt;

use super::File;
use crate::digest::Digest;

/// The longest: a digest, a space, twenty digits, a line feed.
const MAX: usize = 64 + 1 + 20 + 1;

/// Which content follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// What stands there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the head of a content reads `DIGEST SIZE`")]
pub struct BadHead;

// === impl Head ===

impl Head {
    /// The head at the beginning of what came so far, and its length in bytes; nothing while it is not all there.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let head = parse(&bytes[..end]).ok_or(BadHead)?;
                Ok(Some((head, end + 1)))
            }
            None if bytes.len() > MAX => Err(BadHead),
            None => Ok(None),
        }
    }
}

impl File {
    /// What stands before its content.
    pub fn head(&self) -> Head {
        Head {
            digest: self.sha256,
            size: self.size,
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.digest, self.size)
    }
}

fn parse(line: &[u8]) -> Option<Head> {
    let (digest, size) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let digits = size.bytes().all(|byte| byte.is_ascii_digit());
    Some(Head {
        digest: digest.parse().ok()?,
        size: size.parse().ok().filter(|_| digits)?,
    })
}
