//! What is said over a shim's socket: one line that asks, then lines that answer.
//!
//! Both sides are the same binary or an older one that still runs: forms only grow.

use crate::backend::Signal;

/// The longest line, with its end.
pub(crate) const LINE_MAX: usize = 64 * 1024;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A connection to this port in the sandbox: `ok` with a socket, `refused`, or `failed TEXT`.
    Connect(u16),
    /// Lets the command begin, if it does not yet; then as [`Request::Started`].
    Begin,
    /// When it runs: a [`crate::backend::Started`], or nothing if it never will.
    Started,
    /// When it ended: an [`crate::backend::Exit`].
    Wait,
    /// `ok` once sent.
    Signal(Signal),
    /// A JSON array of [`crate::backend::Listening`].
    Listening,
    /// For ever, whenever more was written: where the output ends, as a number.
    Follow,
    /// The conversation with a worker: documents both ways, the first one the worker's. Nothing if it is none.
    Worker,
}

// === impl Request ===

impl Request {
    /// The line that asks, with its end.
    pub(crate) fn line(self) -> String {
        match self {
            Self::Connect(port) => format!("connect {port}\n"),
            Self::Begin => "begin\n".to_owned(),
            Self::Started => "started\n".to_owned(),
            Self::Wait => "wait\n".to_owned(),
            Self::Signal(Signal::Term) => "signal term\n".to_owned(),
            Self::Signal(Signal::Kill) => "signal kill\n".to_owned(),
            Self::Listening => "listening\n".to_owned(),
            Self::Follow => "follow\n".to_owned(),
            Self::Worker => "worker\n".to_owned(),
        }
    }

    /// What a line asks; none where it is no request.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end_matches('\n').split(' ');
        let request = match (words.next()?, words.next()) {
            ("connect", Some(port)) => Self::Connect(port.parse().ok()?),
            ("signal", Some("term")) => Self::Signal(Signal::Term),
            ("signal", Some("kill")) => Self::Signal(Signal::Kill),
            ("begin", None) => Self::Begin,
            ("started", None) => Self::Started,
            ("wait", None) => Self::Wait,
            ("listening", None) => Self::Listening,
            ("follow", None) => Self::Follow,
            ("worker", None) => Self::Worker,
            _ => return None,
        };
        words.next().is_none().then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_written() {
        for request in [
            Request::Connect(8080),
            Request::Begin,
            Request::Started,
            Request::Wait,
            Request::Signal(Signal::Term),
            Request::Signal(Signal::Kill),
            Request::Listening,
            Request::Follow,
            Request::Worker,
        ] {
            assert_eq!(Request::parse(&request.line()), Some(request));
        }
    }

    #[test]
    fn anything_else_is_no_request() {
        for line in [
            "",
            "connect\n",
            "connect 70000\n",
            "connect 1 2\n",
            "signal 9\n",
            "wait x\n",
        ] {
            assert_eq!(Request::parse(line), None, "{line:?}");
        }
    }
}
