//! What a read is about: things as they are, or as they were at a sequence or a time.

use std::sync::Arc;

use eai_projections::{Past, Views};
use schemars::JsonSchema;
use serde::Deserialize;
use time::OffsetDateTime;

use super::event_filter::position;
use super::{ApiError, Shared};

/// What a read of one thing may be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AtQuery {
    /// A sequence or a time.
    pub(crate) at: Option<String>,
}

/// Whoever has views to look things up in.
pub(crate) trait Seen {
    fn views(&self) -> &Views;
}

impl Seen for Shared {
    fn views(&self) -> &Views {
        &self.views
    }
}

/// The views that a read is about.
pub(crate) enum Sight {
    /// Those in use.
    Now(Shared),
    /// Those of a moment that is over.
    Then(Arc<Past>),
}

impl Sight {
    /// The views at a sequence or a time, those in use where none is asked for.
    pub(crate) async fn of(state: &Shared, at: Option<&str>) -> Result<Self, ApiError> {
        let Some(text) = at else {
            return Ok(Self::Now(Arc::clone(state)));
        };
        let past = state.store.at(&state.log, position("at", text)?).await?;
        Ok(Self::Then(past))
    }

    /// The moment that is looked at.
    pub(crate) fn time(&self) -> OffsetDateTime {
        match self {
            Self::Now(_) => OffsetDateTime::now_utc(),
            Self::Then(past) => past.time.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }
}

impl Seen for Sight {
    fn views(&self) -> &Views {
        match self {
            Self::Now(state) => &state.views,
            Self::Then(past) => &past.views,
        }
    }
}
