//! Clients that take a connection and give nothing for it.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::platform::Platform;

/// How long the platform may take to be rid of them: its longest deadline, twice, and a little.
const PATIENCE: Duration = Duration::from_secs(130);
/// Between two bytes of those who say next to nothing.
const DRIBBLE: Duration = Duration::from_secs(5);

/// The clients.
#[derive(Debug)]
pub(super) struct Crowd {
    clients: JoinSet<()>,
}

// === impl Crowd ===

impl Crowd {
    /// Connects so many: some say nothing, some a head byte by byte, some stop within a body, some begin HTTP/2 and leave it there.
    pub(super) async fn open(platform: &Platform, host: &str, count: usize) -> Self {
        raise_limit();
        let body = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer x\r\ncontent-length: 1000\r\n\r\nhalf"
        );
        let kinds: [(&[u8], bool); 4] = [
            (b"", false),
            (b"GET /", true),
            (body.as_bytes(), false),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false),
        ];
        let mut clients = JoinSet::new();
        for (first, dribbles) in kinds.into_iter().cycle().take(count) {
            let mut stream = TcpStream::connect(platform.address())
                .await
                .expect("a connection");
            stream.write_all(first).await.expect("a first piece");
            clients.spawn(linger(stream, dribbles));
        }
        Self { clients }
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Waits until the platform has ended all of them; how many are left.
    pub(super) async fn until_closed(mut self) -> usize {
        let all = async { while self.clients.join_next().await.is_some() {} };
        // Who is left is counted.
        drop(tokio::time::timeout(PATIENCE, all).await);
        self.clients.len()
    }
}

/// Stays until it is ended.
async fn linger(mut stream: TcpStream, dribbles: bool) {
    let mut read = [0; 1024];
    loop {
        tokio::select! {
            read = stream.read(&mut read) => {
                if !matches!(read, Ok(1..)) {
                    return;
                }
            }
            () = tokio::time::sleep(DRIBBLE), if dribbles => {
                if stream.write_all(b"x").await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Each client takes a descriptor here.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("descriptors");
}
