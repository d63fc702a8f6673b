//! How containers are named and labelled, so that each is found again.

use std::collections::HashMap;

use serde_json::Value;

use super::error::StartError;
use crate::backend::Run;

/// Which platform something belongs to.
pub(super) const PLATFORM: &str = "eai.platform";
/// Which of its executors.
pub(super) const EXECUTOR: &str = "eai.executor";
const JOB: &str = "eai.job";
const RUN: &str = "eai.run";
const CLAIM: &str = "eai.claim";
const METADATA: &str = "eai.metadata";

/// Whose containers they are: several executors of a platform may share an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The platform: `a-z`, digits and dashes.
    pub platform: String,
    /// Which of its executors.
    pub executor: String,
}

/// The parts of a run's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) job: String,
    pub(super) run: String,
    pub(super) claim: u64,
}

// === impl Owner ===

impl Owner {
    /// The labels of what belongs to it.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        let label = |(name, value): (&str, &String)| (name.to_owned(), value.clone());
        let labels = [(PLATFORM, &self.platform), (EXECUTOR, &self.executor)];
        labels.into_iter().map(label).collect()
    }

    /// Whether something of the platform is this executor's. What names none is everybody's.
    pub(super) fn has(&self, executor: Option<&str>) -> bool {
        executor.is_none_or(|executor| executor == self.executor)
    }
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

    pub(super) fn labels(&self, owner: &Owner, run: &Run) -> HashMap<String, String> {
        let mut labels = owner.labels();
        let own = [
            (JOB, self.job.clone()),
            (RUN, self.run.clone()),
            (CLAIM, self.claim.to_string()),
            (METADATA, run.metadata.to_string()),
        ];
        labels.extend(own.map(|(name, value)| (name.to_owned(), value)));
        labels
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

/// A filter for what runs of a job, or may yet.
pub(super) fn unended_of_job(platform: &str, job: &str) -> HashMap<String, Vec<String>> {
    let mut filter = of_platform(platform);
    let labels = filter.entry("label".to_owned()).or_default();
    labels.push(format!("{JOB}={job}"));
    let unended = ["created", "running", "paused"].map(str::to_owned);
    filter.insert("status".to_owned(), unended.to_vec());
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_another_executor_is_its_own() {
        let owner = Owner {
            platform: "p".into(),
            executor: "a".into(),
        };
        assert!(owner.has(Some("a")) && owner.has(None) && !owner.has(Some("b")));
    }

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
