//! How an invocation ends: exit codes, and the error that says why.
//!
//! Owns the words of `error:` and `hint:` lines. It must not know how they are printed.

use std::io;

use crate::client::Refusal;
use crate::env;

/// The exit code of the process, as `docs/cli.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// All was done.
    Success,
    /// The platform refused or failed.
    Failure,
    /// The command line cannot be understood.
    Usage,
    /// The platform could not be reached.
    Unreachable,
    /// What was checked is not good enough: the code says why.
    Gate(u8),
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Refused(Refusal),
    #[error("could not reach the platform at {url}: {reason}")]
    Unreachable {
        url: String,
        reason: String,
        /// The command id, if the platform may have received the command.
        unknown_outcome: Option<String>,
    },
    #[error("could not reach the platform at {url}: {reason}")]
    Untrusted { url: String, reason: String },
    #[error("{0}")]
    Usage(String),
    #[error("unknown field `{field}`: the fields are {}", available.join(", "))]
    UnknownField {
        field: String,
        available: Vec<String>,
    },
    #[error("profile `{name}` is not in {path}")]
    NoProfile {
        name: String,
        path: String,
        known: Vec<String>,
    },
    #[error("there is no job yet")]
    NoJob,
    #[error("no credentials: profile `{0}` has no refresh token")]
    NoCredentials(String),
    #[error("the answer of {url} is not the platform's: {reason}")]
    Answer { url: String, reason: String },
    #[error("failed to set up the HTTP client: {0}")]
    HttpClient(#[source] reqwest::Error),
    #[error("{0}")]
    Profile(#[from] crate::profile::Error),
    #[error("{0}")]
    Server(#[from] crate::server::Error),
    #[error("{0}")]
    Files(#[from] crate::files::Error),
    /// A file that could not be read while it was sent.
    #[error("{0}")]
    Pushed(String),
    /// An export that cannot be written, or is not what it says.
    #[error("{0}")]
    Export(String),
    /// A port that cannot be had, or what was to run beside it.
    #[error("{0}")]
    Port(String),
    #[error("failed to start the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("failed to render as YAML: {0}")]
    Yaml(String),
    #[error("failed to write the output: {0}")]
    Output(#[source] io::Error),
    /// The reader of standard output went away, as `head` does: nothing is wrong.
    #[error("the reader of the output went away")]
    BrokenPipe,
}

// === impl ExitStatus ===

impl ExitStatus {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Unreachable => 7,
            Self::Gate(code) => code,
        }
    }

    /// How a check ends.
    pub(crate) fn of_gate(code: u8) -> Self {
        match code {
            0 => Self::Success,
            code => Self::Gate(code),
        }
    }
}

// === impl Error ===

impl Error {
    /// The exit code that goes with it.
    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::BrokenPipe => ExitStatus::Success,
            Self::Refused(_)
            | Self::NoJob
            | Self::NoCredentials(_)
            | Self::Answer { .. }
            | Self::HttpClient(_)
            | Self::Profile(_)
            | Self::Server(_)
            | Self::Files(_)
            | Self::Pushed(_)
            | Self::Export(_)
            | Self::Port(_)
            | Self::Runtime(_)
            | Self::Yaml(_)
            | Self::Output(_) => ExitStatus::Failure,
            Self::Usage(_) | Self::UnknownField { .. } | Self::NoProfile { .. } => {
                ExitStatus::Usage
            }
            Self::Unreachable { .. } | Self::Untrusted { .. } => ExitStatus::Unreachable,
        }
    }

    /// What to do next, where there is something to say.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => refusal.hint.clone(),
            Self::Unreachable {
                unknown_outcome: Some(id),
                ..
            } => Some(repeat_hint(id)),
            Self::Unreachable {
                unknown_outcome: None,
                ..
            } => Some(format!(
                "start it with `eai server`, or name another with `--url` or `{}`",
                env::EAI_URL
            )),
            Self::Untrusted { .. } => Some(format!(
                "name the certificate of who signed its own with `--ca-cert FILE` or `{}`; one that \
                 signs itself is named itself, and has to be for its host and for no signing (`CA:FALSE`)",
                env::EAI_CA_CERT
            )),
            Self::NoJob => Some("the first request to a service makes one".to_owned()),
            Self::NoCredentials(_) => Some(credentials_hint()),
            Self::NoProfile { known, .. } if known.is_empty() => Some(credentials_hint()),
            Self::NoProfile { known, .. } => Some(format!("the profiles are {}", known.join(", "))),
            Self::Answer { .. } => Some(format!(
                "check `--url`, `{}` and the profile's url",
                env::EAI_URL
            )),
            Self::Usage(_)
            | Self::UnknownField { .. }
            | Self::HttpClient(_)
            | Self::Profile(_)
            | Self::Server(_)
            | Self::Files(_)
            | Self::Pushed(_)
            | Self::Export(_)
            | Self::Port(_)
            | Self::Runtime(_)
            | Self::Yaml(_)
            | Self::Output(_)
            | Self::BrokenPipe => None,
        }
    }
}

/// Where credentials come from.
pub(crate) fn credentials_hint() -> String {
    format!(
        "the first start of `eai server` writes a profile; or set `{}`",
        env::EAI_TOKEN
    )
}

/// How to learn the outcome of a command that may or may not have happened.
pub(crate) fn repeat_hint(command_id: &str) -> String {
    format!(
        "the command may have happened: repeat it with `--command-id {command_id}` \
         and it happens once"
    )
}
