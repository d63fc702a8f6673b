//! One look at whether a run answers on its port.

use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::backend::{ConnectError, Running};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why it does not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silent {
    /// No connection came about.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It took a connection, and gave no good answer.
    #[error("GET {path} on port {port} {why}")]
    Answer {
        path: String,
        port: u16,
        why: String,
    },
}

/// Whether it answers: a connection is enough, unless a path is to be asked for.
pub(super) async fn probe(running: &Running, port: u16, path: Option<&str>) -> Result<(), Silent> {
    let stream = running.connect(port).await?;
    let Some(path) = path else {
        return Ok(());
    };
    let silent = |why: String| Silent::Answer {
        path: path.to_owned(),
        port,
        why,
    };
    let ask = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let asked = async {
            let request = Request::get(path)
                .header("host", "localhost")
                .header("user-agent", "eai-probe")
                .header("connection", "close")
                .body(Empty::<Bytes>::new());
            match request {
                Ok(request) => sender
                    .send_request(request)
                    .await
                    .map(|found| found.status()),
                // The spec's paths are valid ones.
                Err(_) => Ok(hyper::StatusCode::BAD_REQUEST),
            }
        };
        let mut asked = std::pin::pin!(asked);
        tokio::select! {
            status = &mut asked => status,
            ended = connection => match ended {
                Ok(()) => asked.await,
                Err(error) => Err(error),
            },
        }
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(status)) if status.as_u16() < 400 => Ok(()),
        Ok(Ok(status)) => Err(silent(format!("answers {}", status.as_u16()))),
        Ok(Err(error)) => Err(silent(format!("fails: {error}"))),
        Err(_) => Err(silent("gives no answer within 2 s".into())),
    }
}
