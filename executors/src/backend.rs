//! Which backend runs jobs on this machine, and why that one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// How long the container engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What runs jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Containers of a Docker engine.
    Docker,
    /// Sandboxed processes, by bubblewrap.
    Process,
    /// Nothing: jobs cannot run here.
    None,
}

/// A backend, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What runs jobs.
    pub backend: Backend,
    /// For people.
    pub reason: String,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Process => "process",
            Self::None => "none",
        })
    }
}

/// Docker if its engine answers, else processes if bubblewrap is installed.
///
/// `docker_host` is the value of `DOCKER_HOST`, `path` that of `PATH`.
pub async fn choose(docker_host: Option<&str>, path: &str) -> Choice {
    let socket = match docker_host {
        None | Some("") => PathBuf::from("/var/run/docker.sock"),
        Some(host) => PathBuf::from(host.strip_prefix("unix://").unwrap_or(host)),
    };
    let docker = match tokio::time::timeout(PATIENCE, docker_version(&socket)).await {
        Ok(Ok(version)) => {
            let reason = format!("Docker {version} answers at {}", socket.display());
            return Choice {
                backend: Backend::Docker,
                reason,
            };
        }
        Ok(Err(error)) => format!("Docker does not answer at {} ({error})", socket.display()),
        Err(_) => format!(
            "Docker does not answer at {} within {PATIENCE:?}",
            socket.display()
        ),
    };
    match find("bwrap", path) {
        Some(found) => Choice {
            backend: Backend::Process,
            reason: format!("{docker}; bubblewrap is at {}", found.display()),
        },
        None => Choice {
            backend: Backend::None,
            reason: format!(
                "{docker}, and bubblewrap (`bwrap`) is not installed: install one of them to run jobs"
            ),
        },
    }
}

async fn docker_version(socket: &Path) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    const MOST: usize = 64 * 1024;
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/version")
        .header("host", "docker")
        .body(Empty::<Bytes>::new())?;
    // Ends with the sender; what went wrong on the connection shows in the answer.
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST)
        .collect()
        .await?
        .to_bytes();
    drop(sender);
    connection.abort();
    if !status.is_success() {
        return Err(format!("it answered {status}").into());
    }
    let version: Version = serde_json::from_slice(&body)?;
    Ok(version.version)
}

#[derive(serde::Deserialize)]
struct Version {
    #[serde(rename = "Version")]
    version: String,
}

fn find(program: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|found| found.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn docker_is_chosen_where_its_engine_answers() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /version HTTP/1.1\r\n"));
            let body = r#"{"Version":"28.1"}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let host = format!("unix://{}", socket.display());
        let choice = choose(Some(&host), "").await;
        assert_eq!(choice.backend, Backend::Docker);
        assert!(choice.reason.contains("Docker 28.1"), "{}", choice.reason);
        engine.await.unwrap();
    }

    #[tokio::test]
    async fn processes_are_chosen_where_only_bubblewrap_is() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.sock");
        let host = missing.to_str().unwrap();
        let nothing = choose(Some(host), folder.path().to_str().unwrap()).await;
        assert_eq!(nothing.backend, Backend::None, "{}", nothing.reason);
        std::fs::write(folder.path().join("bwrap"), "").unwrap();
        let process = choose(Some(host), folder.path().to_str().unwrap()).await;
        assert_eq!(process.backend, Backend::Process, "{}", process.reason);
    }
}
