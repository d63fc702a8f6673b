//! Asks whoever listens on a port whether it is this platform's nats-server, in the few lines of
//! the NATS protocol that this takes: a full client would retry where we want to know.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use eai_core::jws;
use eai_core::log::credentials::Creds;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Version;

/// Far more than a server has to say to one client before it answers its first ping.
const MOST_BYTES: u64 = 64 * 1024;

/// How to know our server.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) port: u16,
    pub(super) server_name: String,
    /// A user of the system account: a server with other keys doesn't let it in.
    pub(super) creds: Creds,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Our server, with its streams, ready for clients.
    Ready(Version),
    /// Nobody listens, or the connection broke: a server that starts or ends.
    Nobody,
    /// Somebody listens and says nothing.
    Silent,
    /// Somebody else, or our server with other keys.
    Stranger(String),
}

#[derive(Debug, Deserialize)]
struct Info {
    server_name: String,
    version: String,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    jetstream: bool,
}

// === impl Probe ===

impl Probe {
    pub(super) async fn ask(&self, within: Duration) -> Answer {
        match timeout(within, self.converse()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::Nobody,
            Err(_) => Answer::Silent,
        }
    }

    async fn converse(&self) -> io::Result<Answer> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read.take(MOST_BYTES)).lines();
        let mut next = async || {
            let line = lines.next_line().await?;
            line.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
        };

        let stranger = |reason: &str| Ok(Answer::Stranger(reason.to_owned()));
        let first = next().await?;
        let info = first
            .strip_prefix("INFO ")
            .map(serde_json::from_str::<Info>);
        let Some(Ok(info)) = info else {
            return stranger("it doesn't speak NATS");
        };
        if info.server_name != self.server_name {
            return stranger("it has another name");
        }
        if !info.jetstream {
            return stranger("it has no streams");
        }
        let Ok(version) = info.version.parse() else {
            return stranger("its version is unknown");
        };

        let signature = jws::sign_text(info.nonce.as_bytes(), &self.creds.key);
        let connect = serde_json::json!({
            "verbose": false, "pedantic": false, "lang": "eai", "version": "1", "protocol": 1,
            "jwt": self.creds.jwt, "sig": signature.map_err(io::Error::other)?,
        });
        let hello = format!("CONNECT {connect}\r\nPING\r\n");
        write.write_all(hello.as_bytes()).await?;
        loop {
            let line = next().await?;
            if line == "PONG" {
                return Ok(Answer::Ready(version));
            }
            if line.starts_with("-ERR") {
                return stranger("it refuses this platform's credentials");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nkeys::KeyPair;
    use tokio::net::TcpListener;

    async fn ask(script: &'static str) -> Answer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let probe = Probe {
            port: listener.local_addr().unwrap().port(),
            server_name: "eai-1".to_owned(),
            creds: Creds {
                jwt: "a.b.c".to_owned(),
                key: KeyPair::new_user(),
            },
        };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(script.as_bytes()).await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(probe.ask(Duration::from_millis(200)), async {
            let mut stream = serve.await;
            // Holds the connection until the probe leaves it.
            stream.read_to_end(&mut Vec::new()).await
        });
        answer
    }

    #[tokio::test]
    async fn only_our_server_is_ready() {
        let ready = ask(
            "INFO {\"server_name\":\"eai-1\",\"version\":\"2.15.1\",\"jetstream\":true}\r\nPONG\r\n",
        );
        assert_eq!(ready.await, Answer::Ready("2.15.1".parse().unwrap()));
        for (script, reason) in [
            ("HTTP/1.1 400 Bad Request\r\n", "it doesn't speak NATS"),
            (
                "INFO {\"server_name\":\"x\",\"version\":\"2.15.1\",\"jetstream\":true}\r\n",
                "it has another name",
            ),
            (
                "INFO {\"server_name\":\"eai-1\",\"version\":\"2.15.1\"}\r\n",
                "it has no streams",
            ),
            (
                "INFO {\"server_name\":\"eai-1\",\"version\":\"2.15.1\",\"jetstream\":true}\r\n\
                 -ERR 'Authorization Violation'\r\n",
                "it refuses this platform's credentials",
            ),
        ] {
            assert_eq!(ask(script).await, Answer::Stranger(reason.to_owned()));
        }
        assert_eq!(ask("").await, Answer::Silent);
    }
}
