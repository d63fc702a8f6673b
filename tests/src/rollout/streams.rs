//! A stream of events and a WebSocket that are there throughout: where one ends, it is opened again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::report::Streamed;
use crate::service::Service;

/// How often something is said over a WebSocket.
const PACE: Duration = Duration::from_millis(20);
/// No message takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Numbered events, one stream after the other.
pub(super) async fn events(service: Service, done: Arc<AtomicBool>) -> Streamed {
    let mut seen = Streamed::default();
    while !done.load(Ordering::SeqCst) {
        let answer = service.request(reqwest::Method::GET, "/sse").send().await;
        let mut stream = match answer {
            Ok(stream) if stream.status() == 200 => stream,
            Ok(other) => {
                seen.failed.push(format!("events: {}", other.status()));
                continue;
            }
            Err(error) => {
                seen.resets.push(format!("events: {error:?}"));
                continue;
            }
        };
        seen.opened += 1;
        let mut text = String::new();
        let mut expected = 0;
        while !done.load(Ordering::SeqCst) {
            match tokio::time::timeout(PATIENCE, stream.chunk()).await {
                Ok(Ok(Some(chunk))) => text.push_str(&String::from_utf8_lossy(&chunk)),
                Ok(Ok(None)) => {
                    seen.ended += 1;
                    break;
                }
                Ok(Err(error)) => {
                    seen.resets.push(format!("events: {error:?}"));
                    break;
                }
                Err(_) => {
                    seen.failed
                        .push("events: none came for too long".to_owned());
                    break;
                }
            }
            while let Some((event, rest)) = text.split_once("\n\n") {
                if event != format!("data: {expected}") {
                    seen.failed.push(format!("events: {event} for {expected}"));
                }
                expected += 1;
                seen.messages += 1;
                text = rest.to_owned();
            }
        }
    }
    seen
}

/// Words that come back, one connection after the other.
pub(super) async fn websocket(
    address: String,
    host: String,
    token: String,
    done: Arc<AtomicBool>,
) -> Streamed {
    let mut seen = Streamed::default();
    while !done.load(Ordering::SeqCst) {
        let mut stream = match open(&address, &host, &token).await {
            Ok(stream) => stream,
            Err(Lost::Refused(line)) => {
                seen.failed.push(format!("websocket: {line}"));
                continue;
            }
            Err(Lost::Broken(error)) => {
                seen.resets.push(format!("websocket: {error}"));
                continue;
            }
        };
        seen.opened += 1;
        let mut number = 0_u64;
        while !done.load(Ordering::SeqCst) {
            let word = format!("word {number}");
            match tokio::time::timeout(PATIENCE, say(&mut stream, &word)).await {
                Ok(Ok(Some(echo))) if echo == word.as_bytes() => seen.messages += 1,
                Ok(Ok(Some(echo))) => {
                    let echo = String::from_utf8_lossy(&echo).into_owned();
                    seen.failed.push(format!("websocket: {echo} for {word}"));
                    break;
                }
                Ok(Ok(None)) => {
                    seen.ended += 1;
                    break;
                }
                Ok(Err(error)) => {
                    seen.resets.push(format!("websocket: {error}"));
                    break;
                }
                Err(_) => {
                    seen.failed
                        .push("websocket: no answer for too long".to_owned());
                    break;
                }
            }
            number += 1;
            tokio::time::sleep(PACE).await;
        }
    }
    seen
}

/// Why there is no WebSocket.
enum Lost {
    Refused(String),
    Broken(std::io::Error),
}

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error)
    }
}

async fn open(address: &str, host: &str, token: &str) -> Result<BufReader<TcpStream>, Lost> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    let head = format!(
        "GET /chat HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    if first.starts_with("HTTP/1.1 101 ") {
        Ok(stream)
    } else if first.is_empty() {
        Err(Lost::Broken(std::io::ErrorKind::UnexpectedEof.into()))
    } else {
        Err(Lost::Refused(first))
    }
}

/// Sends a short text frame, masked as a client's has to be; what comes back, or nothing at the end.
async fn say(stream: &mut BufReader<TcpStream>, word: &str) -> std::io::Result<Option<Vec<u8>>> {
    let mask = [1_u8, 2, 3, 4];
    let length = u8::try_from(word.len()).expect("a short word");
    let mut frame = vec![0x81, 0x80 | length];
    frame.extend(mask);
    let masked = word.bytes().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    if let Err(error) = stream.write_all(&frame).await {
        // Ended before this was said: how, is told by reading.
        if stream.read(&mut [0]).await? == 0 {
            return Ok(None);
        }
        return Err(error);
    }
    let mut head = [0; 2];
    if stream.read(&mut head[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut head[1..]).await?;
    let mut echo = vec![0; usize::from(head[1])];
    stream.read_exact(&mut echo).await?;
    Ok(Some(echo))
}
