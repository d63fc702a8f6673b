//! How containers are named and labelled, so that each is found again.

use std::collections::HashMap;

use serde_json::Value;

use super::error::StartError;
use crate::backend::Run;

/// Which platform something belongs to.
pub(super) const PLATFORM: &str = "eai.platform";
const JOB: &str = "eai.job";
const RUN: &str = "eai.run";
const CLAIM: &str = "eai.claim";
const METADATA: &str = "eai.metadata";

/// The parts of a run's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) job: String,
    pub(super) run: String,
    pub(super) claim: u64,
}

// === impl Label ===

impl Label {
    pub(super) fn of(name: &str) -> Result<Self, StartError> {
        let mut parts = name.rsplitn(3, '.');
        let parsed = match (parts.next(), parts.next(), parts.next()) {
            (Some(claim), Some(run), Some(job)) => claim.parse().ok().map(|claim| Self {
                job: job.to_owned(),
                run: run.to_owned(),
                claim,
            }),
            _ => None,
        };
        let is_empty = |label: &Self| label.job.is_empty() || label.run.is_empty();
        parsed
            .filter(|label| !is_empty(label))
            .ok_or_else(|| StartError::Name(name.to_owned()))
    }

    /// What a container's labels say; none where it is no run's.
    pub(super) fn read(labels: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            job: labels.get(JOB)?.clone(),
            run: labels.get(RUN)?.clone(),
            claim: labels.get(CLAIM)?.parse().ok()?,
        })
    }

    /// The name of the run.
    pub(super) fn name(&self) -> String {
        format!("{}.{}.{}", self.job, self.run, self.claim)
    }

    /// The name of its container: one at a time for each run, whatever the claim.
    pub(super) fn container(&self) -> String {
        format!("eai-{}-{}", self.job, self.run)
    }

    pub(super) fn labels(&self, platform: &str, run: &Run) -> HashMap<String, String> {
        [
            (PLATFORM, platform.to_owned()),
            (JOB, self.job.clone()),
            (RUN, self.run.clone()),
            (CLAIM, self.claim.to_string()),
            (METADATA, run.metadata.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }
}

/// What was kept with a run; null where that can't be read.
pub(super) fn metadata(labels: &HashMap<String, String>) -> Value {
    labels
        .get(METADATA)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// A filter for what belongs to a platform.
pub(super) fn of_platform(platform: &str) -> HashMap<String, Vec<String>> {
    let label = format!("{PLATFORM}={platform}");
    HashMap::from([("label".to_owned(), vec![label])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_three_parts() {
        let label = Label::of("0198-x.2.3").unwrap();
        assert_eq!(label.container(), "eai-0198-x-2");
        assert_eq!((label.claim, label.name().as_str()), (3, "0198-x.2.3"));
        for name in ["", "a", "a.1", "a.1.x", ".1.1", "a..1"] {
            assert!(Label::of(name).is_err(), "{name:?}");
        }
    }
}
