//! HTTP/1 by hand: strict where it reads, and as wrong as a test wants where it writes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A start line and headers; names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    fn parse(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let line = lines.next().expect("a start line").to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a header");
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Self { line, headers }
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name}: {all:?}");
        all.first().copied()
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).expect("a status");
        status.parse().expect("a status")
    }
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("a connection"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref()).await;
        sent.expect("somebody who reads");
    }

    /// More bytes into the buffer; false at the end, or where the connection broke.
    async fn more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.buffer);
        matches!(within("bytes", read).await, Ok(read) if read > 0)
    }

    /// The next start line and headers, or None where the connection ended before.
    pub(crate) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                let text = std::str::from_utf8(&head[..at]).expect("text");
                return Some(Head::parse(text));
            }
            if !self.more().await {
                assert!(self.buffer.is_empty(), "half a head: {:?}", self.buffer);
                return None;
            }
        }
    }

    /// The body of a request or an answer that has one; Err with what came where it broke off.
    pub(crate) async fn body(&mut self, head: &Head) -> Result<Vec<u8>, Vec<u8>> {
        if let Some(length) = head.one("content-length") {
            assert_eq!(head.one("transfer-encoding"), None, "{head:?}");
            let length = length.parse().expect("a length");
            return self.exactly(length).await;
        }
        if head.one("transfer-encoding").is_some() {
            return self.chunks().await.map(|(body, _)| body);
        }
        if !head.line.starts_with("HTTP/") {
            return Ok(Vec::new());
        }
        Ok(self.rest().await)
    }

    /// The chunks of a body, and its trailers.
    pub(crate) async fn chunks(&mut self) -> Result<(Vec<u8>, Head), Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let Some(line) = self.line().await else {
                return Err(body);
            };
            let size = usize::from_str_radix(&line, 16).expect("a size");
            if size == 0 {
                break;
            }
            match self.exactly(size + 2).await {
                Ok(chunk) => {
                    assert_eq!(&chunk[size..], b"\r\n");
                    body.extend(&chunk[..size]);
                }
                Err(part) => {
                    body.extend(part);
                    return Err(body);
                }
            }
        }
        let mut text = String::from("trailers");
        loop {
            match self.line().await {
                None => return Err(body),
                Some(line) if line.is_empty() => return Ok((body, Head::parse(&text))),
                Some(line) => {
                    text.push_str("\r\n");
                    text.push_str(&line);
                }
            }
        }
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Vec<u8>> {
        while self.buffer.len() < length {
            if !self.more().await {
                return Err(std::mem::take(&mut self.buffer));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Drops what was read ahead, and says how much it was.
    pub(crate) fn buffered(&mut self) -> usize {
        std::mem::take(&mut self.buffer).len()
    }

    /// Everything until the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Some(String::from_utf8(line[..at].to_vec()).expect("text"));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The answer to a request that was sent: its head and its whole body.
    pub(crate) async fn answer(&mut self) -> (Head, String) {
        let head = self.head().await.expect("an answer");
        let body = self.body(&head).await.expect("a whole body");
        (head, String::from_utf8(body).expect("text"))
    }

    /// Whether the other side has ended the connection, with nothing more sent.
    pub(crate) async fn ended(&mut self) -> bool {
        self.rest().await.is_empty()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
