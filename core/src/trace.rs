//! W3C trace context: the id under which others follow a request through many systems. Nothing here depends on it.

use std::fmt;
use std::str::FromStr;

/// A `traceparent` that is in order: version, trace id, parent id and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    version: u8,
    trace: u128,
    parent: u64,
    flags: u8,
}

/// What is no `traceparent`, or says that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no trace context: expected such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)]
pub struct NoTrace;

impl FromStr for TraceParent {
    type Err = NoTrace;

    fn from_str(text: &str) -> Result<Self, NoTrace> {
        let mut parts = text.split('-');
        let mut next = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length);
            let part = part.filter(|part| {
                part.bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            });
            part.and_then(|part| u128::from_str_radix(part, 16).ok())
                .ok_or(NoTrace)
        };
        let (version, trace, parent, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        // A later version may have more parts; what they mean is not known.
        if parts.next().is_some() || version == 0xff || trace == 0 || parent == 0 {
            return Err(NoTrace);
        }
        let narrow = |number: u128| u8::try_from(number).map_err(|_| NoTrace);
        Ok(Self {
            version: narrow(version)?,
            trace,
            parent: u64::try_from(parent).map_err(|_| NoTrace)?,
            flags: narrow(flags)?,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            trace,
            parent,
            flags,
        } = self;
        write!(f, "{version:02x}-{trace:032x}-{parent:016x}-{flags:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_order_stays_as_it_is() {
        for text in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-00000000000000000000000000000001-0000000000000001-00",
        ] {
            assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_is_no_trace() {
        for bad in [
            "",
            "00-4bf9-00f0-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(NoTrace), "{bad}");
        }
    }
}
