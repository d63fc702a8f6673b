//! Which jobs a list is about: what may be asked, and what it means.

use eai_core::job::Phase;
use eai_projections::JobFilter;
use schemars::JsonSchema;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::at::{Seen, Sight};
use super::list::ListQuery;
use super::{ApiError, Shared, resolve};
use crate::auth::Caller;

/// A job that ended is recent so long.
const RECENT: Duration = Duration::hours(24);
/// The longest part of a name that is looked for.
const MAX_NAME: usize = 63;
/// Every state that a job can be in.
const PHASES: [Phase; 8] = [
    Phase::Queuing,
    Phase::Queued,
    Phase::Running,
    Phase::Cancelling,
    Phase::Succeeded,
    Phase::Failed,
    Phase::Cancelled,
    Phase::Interrupted,
];

/// What a list of jobs may be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobQuery {
    /// An account (`snow.testacc`, `testacc`) or an organization (`snow`); default yours.
    account: Option<String>,
    /// The jobs of this service.
    service: Option<String>,
    /// `recent` (default), `alive`, `all`, or states with commas between.
    state: Option<String>,
    /// The jobs whose name contains this.
    #[schemars(length(max = 63))]
    name: Option<String>,
    /// `-created` (default): newest first; `created`: oldest first.
    order: Option<String>,
    /// At most so many.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// A sequence or a time, for the jobs that there were then.
    at: Option<String>,
}

impl JobQuery {
    /// What of it every list may be asked.
    pub(crate) fn list(&self) -> ListQuery {
        ListQuery::new(self.account.clone(), self.limit, self.after.clone())
    }

    /// The views that are meant.
    pub(crate) async fn sight(&self, state: &Shared) -> Result<Sight, ApiError> {
        Sight::of(state, self.at.as_deref()).await
    }

    /// Which jobs are meant, at a moment.
    pub(crate) async fn filter(
        &self,
        seen: &impl Seen,
        caller: &Caller,
        now: OffsetDateTime,
    ) -> Result<JobFilter, ApiError> {
        let (states, since) = states(self.state.as_deref(), now)?;
        let service = match &self.service {
            Some(reference) => Some(resolve::service(seen, caller, reference).await?.id),
            None => None,
        };
        let name = self.name.clone();
        if name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
            let text = format!("`name` has more than {MAX_NAME} bytes: no name contains it");
            return Err(ApiError::bad_request(text));
        }
        let oldest_first = match self.order.as_deref() {
            None | Some("-created") => false,
            Some("created") => true,
            Some(_) => {
                let text = "`order` must be `created` (oldest first) or `-created` (newest first)";
                return Err(ApiError::bad_request(text));
            }
        };
        Ok(JobFilter {
            service,
            states,
            name,
            since,
            oldest_first,
        })
    }
}

/// The states that a text means, and since when a job has to have changed if it is not alive.
fn states(
    text: Option<&str>,
    now: OffsetDateTime,
) -> Result<(Vec<Phase>, Option<OffsetDateTime>), ApiError> {
    let text = text.unwrap_or("recent").to_ascii_lowercase();
    match text.as_str() {
        "recent" => return Ok((Vec::new(), Some(now - RECENT))),
        "all" => return Ok((Vec::new(), None)),
        "alive" => {
            let alive = PHASES.into_iter().filter(|phase| phase.is_alive());
            return Ok((alive.collect(), None));
        }
        _ => {}
    }
    let phase = |word: &str| {
        let same = |phase: &Phase| phase.to_string().eq_ignore_ascii_case(word.trim());
        PHASES.into_iter().find(same).ok_or_else(|| {
            let names: Vec<_> = PHASES.iter().map(ToString::to_string).collect();
            let names = names.join(", ").to_lowercase();
            ApiError::bad_request(format!(
                "`state` must be `recent`, `alive`, `all`, or some of these with commas between: {names}"
            ))
        })
    };
    // There are as many states as may be named.
    let words = text.splitn(PHASES.len() + 1, ',');
    Ok((words.map(phase).collect::<Result<_, _>>()?, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_words_or_lists() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let read = |text| states(text, now).unwrap();
        assert_eq!(read(None), (vec![], Some(now - RECENT)));
        assert_eq!(read(Some("ALL")), (vec![], None));
        assert_eq!(read(Some("alive")).0.len(), 4);
        assert_eq!(
            read(Some("queued,Running")).0,
            [Phase::Queued, Phase::Running]
        );
        for bad in ["", "dead", "queued,", "all,queued", &"queued,".repeat(1000)] {
            assert!(states(Some(bad), now).is_err(), "{bad}");
        }
    }
}
