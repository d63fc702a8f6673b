//! What is said over a shim's socket: one line that asks, then lines that answer.
//!
//! Both sides are the same binary or an older one that still runs: forms only grow.

use serde::{Deserialize, Serialize};

/// The longest line, with its end.
pub(crate) const LINE_MAX: usize = 64 * 1024;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A connection to this port in the sandbox: `ok` with a socket, `refused`, or `failed TEXT`.
    Connect(u16),
    /// When it runs: a [`Started`], or nothing if it never will.
    Started,
    /// When it ended: an [`Exit`].
    Wait,
    /// `ok` once sent.
    Signal(Signal),
    /// A JSON array of [`Listening`].
    Listening,
    /// For ever, whenever more was written: where the output ends, as a number.
    Follow,
}

/// A signal to everything that runs in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks the command and its process group to end.
    Term,
    /// Ends every process in the sandbox.
    Kill,
}

/// What a run has, known once it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// When the command could begin, in Unix milliseconds.
    pub at: u64,
    /// What holds the run to its limits: `cgroup-v2`, `cgroup-v1` or `rlimit`.
    pub limits: String,
    /// How the run reaches the world: `pasta` or `none`.
    pub network: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The command's exit code; 128 and the signal's number where a signal ended it, 126 or 127
    /// where it could not be run. None where nobody knows.
    #[serde(default)]
    pub code: Option<i32>,
    /// The signal that ended it, as far as its exit code tells.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel ended a process of the run for its memory limit, and the run failed.
    #[serde(default)]
    pub oom: bool,
    /// Whether how it ended is unknown, for its shim was killed; nothing of it runs any more.
    #[serde(default)]
    pub lost: bool,
    /// Why the command could not be run, for people.
    #[serde(default)]
    pub failure: Option<String>,
    /// When the command could begin, in Unix milliseconds; 0 if it never could.
    #[serde(default)]
    pub started: u64,
    /// When it ended, in Unix milliseconds; 0 where nobody knows.
    #[serde(default)]
    pub ended: u64,
}

/// A port that somebody in the sandbox listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// The address, such as `0.0.0.0` or `::1`.
    pub address: std::net::IpAddr,
    /// The port.
    pub port: u16,
}

// === impl Request ===

impl Request {
    /// The line that asks, with its end.
    pub(crate) fn line(self) -> String {
        match self {
            Self::Connect(port) => format!("connect {port}\n"),
            Self::Started => "started\n".to_owned(),
            Self::Wait => "wait\n".to_owned(),
            Self::Signal(Signal::Term) => "signal term\n".to_owned(),
            Self::Signal(Signal::Kill) => "signal kill\n".to_owned(),
            Self::Listening => "listening\n".to_owned(),
            Self::Follow => "follow\n".to_owned(),
        }
    }

    /// What a line asks; none where it is no request.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim_end_matches('\n').split(' ');
        let request = match (words.next()?, words.next()) {
            ("connect", Some(port)) => Self::Connect(port.parse().ok()?),
            ("signal", Some("term")) => Self::Signal(Signal::Term),
            ("signal", Some("kill")) => Self::Signal(Signal::Kill),
            ("started", None) => Self::Started,
            ("wait", None) => Self::Wait,
            ("listening", None) => Self::Listening,
            ("follow", None) => Self::Follow,
            _ => return None,
        };
        words.next().is_none().then_some(request)
    }
}

// === impl Exit ===

impl Exit {
    /// The end of a run whose shim was killed.
    pub(crate) fn lost(started: u64) -> Self {
        Self {
            lost: true,
            started,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_written() {
        for request in [
            Request::Connect(8080),
            Request::Started,
            Request::Wait,
            Request::Signal(Signal::Term),
            Request::Signal(Signal::Kill),
            Request::Listening,
            Request::Follow,
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
