//! The rules, on events alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One event of a task, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// The task.
    pub task: String,
    /// The event's name.
    pub event: String,
    /// The attempt that it is the outcome of.
    pub attempt: Option<u64>,
    /// How many attempts are over, where it says so.
    pub attempts: Option<u64>,
    /// It is a dead letter from now on.
    pub dead: bool,
}

/// What became of the tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Those that somebody was told are stored.
    pub accepted: usize,
    /// Those that are done.
    pub done: usize,
    /// Those that failed with all their retries used up.
    pub dead: usize,
    /// Those that ended otherwise.
    pub other: usize,
    /// Accepted, and not in the log.
    pub lost: BTreeSet<String>,
    /// Accepted, and not ended.
    pub pending: BTreeSet<String>,
    /// With more than one outcome.
    pub twice: BTreeSet<String>,
    /// With an outcome of an attempt that was not under way.
    pub late: BTreeSet<String>,
}

/// A task as its events tell it.
#[derive(Default)]
struct Told {
    over: u64,
    end: Option<(String, bool)>,
}

/// Judges the events of a whole log.
pub fn judge(accepted: &[String], events: &[TaskEvent]) -> Verdict {
    let mut verdict = Verdict {
        accepted: accepted.len(),
        ..Verdict::default()
    };
    let mut tasks: BTreeMap<&str, Told> = BTreeMap::new();
    for event in events {
        let told = tasks.entry(&event.task).or_default();
        let task = || event.task.clone();
        let outcome = matches!(event.event.as_str(), "attempt_failed" | "done" | "failed");
        if outcome && event.attempt != Some(told.over + 1) {
            verdict.late.insert(task());
        }
        if outcome {
            told.over = event.attempt.unwrap_or(told.over);
        }
        match event.event.as_str() {
            "done" | "failed" | "cancelled" => {
                if told.end.is_some() {
                    verdict.twice.insert(task());
                }
                told.end = Some((event.event.clone(), event.dead));
            }
            "attempt_failed" if told.end.is_some() => {
                verdict.twice.insert(task());
            }
            "requeued" => {
                told.end = None;
                told.over = event.attempts.unwrap_or(told.over);
            }
            _ => {}
        }
    }
    for id in accepted {
        match tasks.get(id.as_str()).map(|told| &told.end) {
            None => {
                verdict.lost.insert(id.clone());
            }
            Some(None) => {
                verdict.pending.insert(id.clone());
            }
            Some(Some((end, _))) if end == "done" => verdict.done += 1,
            Some(Some((_, true))) => verdict.dead += 1,
            Some(Some(_)) => verdict.other += 1,
        }
    }
    verdict
}

// === impl Verdict ===

impl Verdict {
    /// Every task that was accepted is done or a dead letter, with one outcome, and none is lost.
    pub fn is_good(&self) -> bool {
        self.done + self.dead == self.accepted && self.twice.is_empty() && self.late.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            done,
            dead,
            other,
            lost,
            pending,
            twice,
            late,
        } = self;
        write!(
            f,
            "accepted={accepted} done={done} dead={dead} other={other} lost={} pending={} twice={} late={}",
            lost.len(),
            pending.len(),
            twice.len(),
            late.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> TaskEvent {
        let mut words = text.split(' ');
        let mut word = || words.next();
        let (task, event) = (word().unwrap_or_default(), word().unwrap_or_default());
        let number = word().and_then(|text| text.parse().ok());
        let requeued = event == "requeued";
        TaskEvent {
            task: task.into(),
            event: event.into(),
            attempt: number.filter(|_| !requeued),
            attempts: number.filter(|_| requeued),
            dead: word() == Some("dead"),
        }
    }

    fn judged(accepted: &[&str], events: &[&str]) -> Verdict {
        let accepted: Vec<_> = accepted.iter().map(ToString::to_string).collect();
        let events: Vec<_> = events.iter().map(|text| event(text)).collect();
        judge(&accepted, &events)
    }

    #[test]
    fn what_ended_once_is_good() {
        let verdict = judged(
            &["a", "b", "c"],
            &[
                "a submitted",
                "b submitted",
                "b attempt_failed 1",
                "a done 1",
                "b failed 2 dead",
                "c submitted",
                "c failed 1 dead",
                "c requeued 1",
                "c done 2",
            ],
        );
        assert!(verdict.is_good(), "{verdict}");
        assert_eq!((verdict.done, verdict.dead), (2, 1));
    }

    #[test]
    fn what_is_wrong_is_seen() {
        for (events, field) in [
            (&[][..], "lost=1"),
            (&["a submitted"], "pending=1"),
            (&["a submitted", "a attempt_failed 1"], "pending=1"),
            (&["a submitted", "a done 1", "a done 1"], "twice=1"),
            (
                &["a submitted", "a done 1", "a attempt_failed 2"],
                "twice=1",
            ),
            (&["a submitted", "a attempt_failed 1", "a done 1"], "late=1"),
            (&["a submitted", "a done 2"], "late=1"),
            (&["a submitted", "a failed 1"], "other=1"),
            (&["a submitted", "a cancelled"], "other=1"),
        ] {
            let verdict = judged(&["a"], events);
            assert!(!verdict.is_good(), "{events:?}: {verdict}");
            assert!(verdict.to_string().contains(field), "{events:?}: {verdict}");
        }
    }
}
