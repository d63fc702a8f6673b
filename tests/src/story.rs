//! What the log says of jobs, checked as it is read.

use std::collections::HashMap;

use serde_json::Value;

use crate::api::text;
use crate::platform::Platform;
use crate::stored::Stored;

/// What the log says, by itself: each run has one claim and at most one end, nothing is said of it after that,
/// and the next one begins only then.
pub async fn story(platform: &Platform) -> Vec<(String, Value)> {
    let mut runs: HashMap<(String, u64), (u32, u32)> = HashMap::new();
    let mut told = Vec::new();
    for event in Stored::of(platform).await.after(0).await {
        let document = event.document();
        let (kind, data) = (event.kind(), document["data"].clone());
        let subject = text(&document["subject"]);
        if let Some(job) = subject.strip_prefix("job/") {
            let number = data["run"].as_u64().unwrap_or_default();
            let (claims, ends) = runs.entry((job.to_owned(), number)).or_default();
            assert_eq!(*ends, 0, "{kind} of a run that ended: {document:#}");
            match kind.as_str() {
                "eai.job.claimed.v1" => *claims += 1,
                "eai.job.ended.v1" => *ends += 1,
                _ => {}
            }
            assert!(*claims <= 1, "{kind}: {document:#}");
            if number > 0 {
                let before = runs.get(&(job.to_owned(), number - 1));
                assert_eq!(before.map(|before| before.1), Some(1), "{document:#}");
            }
        }
        told.push((kind, data));
    }
    told
}

/// How many events of a type there are.
pub fn count(story: &[(String, Value)], kind: &str) -> usize {
    story.iter().filter(|(told, _)| told == kind).count()
}
