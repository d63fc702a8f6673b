//! A WebSocket by hand: enough of RFC 6455 to speak with `tests/apps/websocket.py`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No read takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open connection.
#[derive(Debug)]
pub struct WebSocket {
    stream: TcpStream,
}

// === impl WebSocket ===

impl WebSocket {
    /// Asks for one; the status where it is refused.
    pub fn open(address: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut head = "GET /chat HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            .to_owned();
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            answer.extend(byte);
        }
        let answer = String::from_utf8(answer).expect("text").to_lowercase();
        let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status: u16 = status.expect("a status");
        if status != 101 {
            return Err(status);
        }
        let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
        assert!(answer.contains(accept), "{answer}");
        Ok(Self { stream })
    }

    /// Sends a word, and reads it in capitals.
    #[track_caller]
    pub fn echoes(&mut self, word: &str) {
        self.stream.write_all(&frame(word)).expect("a frame goes");
        let mut echo = vec![0; 2 + word.len()];
        self.stream.read_exact(&mut echo).expect("a frame comes");
        assert_eq!(echo[2..], *word.to_uppercase().as_bytes());
    }

    /// Says that it ends, and reads the other side's end.
    #[track_caller]
    pub fn closes(mut self) {
        let close = [0x88, 0x80, 1, 2, 3, 4];
        self.stream.write_all(&close).expect("the close goes");
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end");
        assert_eq!(rest, [0x88, 0]);
    }
}

/// One short text frame, masked as a client's has to be.
fn frame(text: &str) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let length = u8::try_from(text.len()).expect("a short text");
    let mut bytes = vec![0x81, 0x80 | length];
    bytes.extend(mask);
    bytes.extend(
        text.bytes()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}
