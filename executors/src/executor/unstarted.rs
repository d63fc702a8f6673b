//! Why a run could not be brought to its start, and what the log is told of it.

use eai_core::job::Outcome;

use super::report::Superseded;
use super::{image, requirements};
use crate::backend::StartError;
use crate::data;

/// Why a run could not be brought to its start.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unstarted {
    #[error("it ended before it began")]
    Cancelled,
    #[error(transparent)]
    Superseded(#[from] Superseded),
    #[error(transparent)]
    Image(#[from] image::Missing),
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error(transparent)]
    Requirements(#[from] requirements::Failed),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "it asks for {what}, and this machine has {has}: ask for less with `eai service update`"
    )]
    TooMuch { what: String, has: String },
}

// === impl Unstarted ===

impl Unstarted {
    /// How the run ended by it, and the reason as events have it.
    pub(super) fn outcome(&self) -> (Outcome, &'static str) {
        match self {
            Self::Cancelled | Self::Superseded(_) => (Outcome::Cancelled, "cancelled"),
            Self::Image(_) => (Outcome::Failed, "image-missing"),
            Self::Data(_) => (Outcome::Failed, "data-missing"),
            Self::Requirements(_) => (Outcome::Failed, "requirements-failed"),
            Self::Start(_) => (Outcome::Failed, "start-failed"),
            Self::TooMuch { .. } => (Outcome::Failed, "no-resources"),
        }
    }
}

/// An error with all that it comes from.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
