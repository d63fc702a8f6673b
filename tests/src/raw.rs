//! HTTP by hand, for requests that no client library would send.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, written as it is.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
    host: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

// === impl Raw ===

impl Raw {
    /// A request with this method and target.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            ..Self::default()
        }
    }

    /// With a header line more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// For another host than the address that it is sent to.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body whose length is not told before.
    #[must_use]
    pub fn chunked(self, body: impl Into<Vec<u8>>) -> Self {
        let mut raw = self.body(body);
        raw.chunked = true;
        raw
    }

    /// Sends it on a connection of its own and reads the answer.
    pub fn send(&self, address: &str) -> RawAnswer {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // A server may answer and close before it has read everything.
        drop(stream.write_all(&self.bytes(address)));
        let mut answer = Vec::new();
        // The same: what was read until then counts.
        drop(stream.read_to_end(&mut answer));
        RawAnswer::read(&String::from_utf8_lossy(&answer))
    }

    fn bytes(&self, address: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut line = |name: &str, value: &str| {
            write!(head, "{name}: {value}\r\n").expect("a string takes everything");
        };
        line("host", self.host.as_deref().unwrap_or(address));
        line("connection", "close");
        for (name, value) in &self.headers {
            line(name, value);
        }
        if self.chunked {
            line("transfer-encoding", "chunked");
        } else if !self.body.is_empty() {
            line("content-length", &self.body.len().to_string());
        }
        let mut bytes = head.into_bytes();
        bytes.extend(b"\r\n");
        if self.chunked {
            for chunk in self.body.chunks(1 << 13) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(&self.body);
        }
        bytes
    }
}

// === impl RawAnswer ===

impl RawAnswer {
    fn read(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }
}
