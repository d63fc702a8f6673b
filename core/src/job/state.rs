//! What the events of a job add up to.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Claimed, Ended, Submitted};

/// A job, once it was submitted.
pub type State = Option<Job>;

/// A job that was submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// How it was submitted.
    pub submitted: Submitted,
    /// The current run, or the last one.
    pub run: u32,
    /// How many claims there were, over all runs.
    pub claims: u32,
    /// Where the current run is.
    pub phase: Phase,
    /// Who has the current run.
    pub claim: Option<Claimed>,
    /// Whether the current run answers.
    pub ready: bool,
    /// Why the current run does not answer, as last seen.
    pub unready: Option<String>,
    /// Whether the current run is held still.
    pub frozen: bool,
    /// Where the current run is reached.
    pub endpoint: Option<Endpoint>,
    /// Why the current run is to end.
    pub cancel_reason: Option<String>,
    /// How long it may go on with what it is at before it is told to end, in milliseconds.
    pub drain_ms: Option<u64>,
    /// How the last run ended, if it did.
    pub ended: Option<Ended>,
}

/// Where a job is, as it is shown everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// Looking for resources.
    Queuing,
    /// An executor prepares it.
    Queued,
    /// Its command runs.
    Running,
    /// It was asked to end.
    Cancelling,
    /// It exited with 0.
    Succeeded,
    /// It exited otherwise, or could not be started.
    Failed,
    /// It ended because it was asked to.
    Cancelled,
    /// It was lost with its executor, or gave way to another.
    Interrupted,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// It exited with 0.
    Succeeded,
    /// It exited otherwise, or could not be started.
    Failed,
    /// It ended because it was asked to.
    Cancelled,
    /// It was lost with its executor, or gave way to another.
    Interrupted,
}

/// Where a run's ports are reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An address: `tcp:10.0.0.2:8080`. The port is the spec's; others are at the same address.
    Tcp(SocketAddr),
    /// The socket of a shim, which opens connections to any port: `unix:/…/shim.sock`.
    Unix(Arc<Path>),
}

/// A text that is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint reads `tcp:IP:PORT` or `unix:/PATH`")]
pub struct BadEndpoint;

// === impl Phase ===

impl Phase {
    /// Whether the job may still do something.
    pub fn is_alive(self) -> bool {
        matches!(
            self,
            Self::Queuing | Self::Queued | Self::Running | Self::Cancelling
        )
    }
}

impl From<Outcome> for Phase {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Failed => Self::Failed,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queuing => "QUEUING",
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Cancelling => "CANCELLING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Interrupted => "INTERRUPTED",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Phase::from(*self).fmt(f)
    }
}

// === impl Endpoint ===

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        if let Some(path) = text.strip_prefix("unix:") {
            let absolute = path
                .starts_with('/')
                .then(|| Self::Unix(Path::new(path).into()));
            return absolute.ok_or(BadEndpoint);
        }
        let address = text.strip_prefix("tcp:").ok_or(BadEndpoint)?;
        address.parse().map(Self::Tcp).map_err(|_| BadEndpoint)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(tcp:.+:[0-9]+|unix:/.*)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_round_trip() {
        for text in ["tcp:10.0.0.2:8080", "tcp:[::1]:80", "unix:/run/x/shim.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for bad in ["", "10.0.0.2:80", "tcp:host:80", "tcp:1.2.3.4", "unix:x"] {
            assert_eq!(bad.parse::<Endpoint>(), Err(BadEndpoint), "{bad}");
        }
    }
}
