//! The connection to the engine: every call has a deadline, and a call without an answer tells nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error as Cause;
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// How long the engine may take for what is quick.
pub(super) const QUICK: Duration = Duration::from_secs(10);
/// How long it may take to make, start or remove something on a busy machine.
pub(super) const SLOW: Duration = Duration::from_mins(2);
/// The first pause before it is asked again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Longer than any deadline here, which all have their own.
const CLIENT_SECONDS: u64 = 600;

/// The engine of this machine. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) docker: bollard::Docker,
}

/// What the engine answered, or that it didn't.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody knows what became of the request.
    #[error("Docker did not answer when asked to {action}: look at `docker info`")]
    Away {
        /// What was asked.
        action: &'static str,
        /// Why there was no answer; none where time ran out.
        #[source]
        source: Option<Cause>,
    },
    /// It refused.
    #[error("Docker failed to {action}: {message}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// The status of HTTP; 0 where the answer made no sense.
        status: u16,
        /// In its own words.
        message: String,
    },
}

// === impl Engine ===

impl Engine {
    /// The engine that listens at a socket, spoken to in a version that both know.
    pub(super) async fn connect(socket: &Path) -> Result<Self, Error> {
        let action = "say its version";
        let path = socket.to_string_lossy();
        let connected =
            bollard::Docker::connect_with_unix(&path, CLIENT_SECONDS, bollard::API_DEFAULT_VERSION);
        let docker = connected.map_err(|cause| Error::of(action, cause))?;
        let docker = call(action, QUICK, docker.negotiate_version()).await?;
        Ok(Self { docker })
    }

    /// Whether it answers.
    pub(super) async fn answers(&self) -> bool {
        call("answer", QUICK, self.docker.ping()).await.is_ok()
    }
}

/// A call with a deadline. Boxed, for bollard's futures are large.
pub(super) fn call<'a, T>(
    action: &'static str,
    within: Duration,
    call: impl Future<Output = Result<T, Cause>> + Send + 'a,
) -> BoxFuture<'a, Result<T, Error>> {
    let timed = tokio::time::timeout(within, call).map(move |answer| match answer {
        Ok(answer) => answer.map_err(|cause| Error::of(action, cause)),
        Err(_) => Err(Error::Away {
            action,
            source: None,
        }),
    });
    timed.boxed()
}

/// Asks again until the engine answers.
pub(super) async fn until_answered<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = SHORTEST_PAUSE;
    loop {
        match ask().await {
            Err(error @ Error::Away { .. }) => {
                tracing::warn!(%error, "docker.away");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answered => return answered,
        }
    }
}

/// The socket that `DOCKER_HOST` names, or the usual one. None where it is no socket of this machine.
pub(super) fn socket(docker_host: Option<&str>) -> Option<PathBuf> {
    match docker_host {
        None | Some("") => Some("/var/run/docker.sock".into()),
        Some(path) if path.starts_with('/') => Some(path.into()),
        Some(url) => url.strip_prefix("unix://").map(PathBuf::from),
    }
}

// === impl Error ===

impl Error {
    pub(super) fn of(action: &'static str, cause: Cause) -> Self {
        match cause {
            // It is on its way down or up.
            Cause::DockerResponseServerError {
                status_code: 502..=504,
                ..
            } => Self::Away {
                action,
                source: Some(cause),
            },
            Cause::DockerResponseServerError {
                status_code,
                message,
            } => Self::Refused {
                action,
                status: status_code,
                message: message.trim().to_owned(),
            },
            Cause::DockerStreamError { error } => Self::Refused {
                action,
                status: 0,
                message: error.trim().to_owned(),
            },
            // Asking again would give the same.
            Cause::JsonDataError { .. }
            | Cause::JsonSerdeError { .. }
            | Cause::APIVersionParseError {}
            | Cause::UnsupportedURISchemeError { .. } => Self::Refused {
                action,
                status: 0,
                message: cause.to_string(),
            },
            _ => Self::Away {
                action,
                source: Some(cause),
            },
        }
    }

    /// The status of a refusal; none where there was no answer.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Away { .. } => None,
            Self::Refused { status, .. } => Some(*status),
        }
    }

    /// Whether what was asked for isn't there.
    pub(super) fn is_missing(&self) -> bool {
        self.status() == Some(404)
    }
}

/// An answer, or that there is no such thing.
pub(super) fn if_there<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_this_machine_are_spoken_to() {
        let default = Some(PathBuf::from("/var/run/docker.sock"));
        assert_eq!(socket(None), default);
        assert_eq!(socket(Some("")), default);
        assert_eq!(
            socket(Some("unix:///run/d.sock")),
            Some("/run/d.sock".into())
        );
        assert_eq!(socket(Some("/run/d.sock")), Some("/run/d.sock".into()));
        assert_eq!(socket(Some("tcp://10.0.0.1:2375")), None);
    }

    #[test]
    fn an_engine_on_its_way_down_is_away() {
        let answered = |status_code| {
            let message = "so".to_owned();
            Error::of(
                "x",
                Cause::DockerResponseServerError {
                    status_code,
                    message,
                },
            )
        };
        assert_eq!(answered(404).status(), Some(404));
        assert!(answered(404).is_missing());
        assert_eq!(answered(503).status(), None);
    }
}
