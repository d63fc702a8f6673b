//! What came of a run.

use std::collections::BTreeMap;
use std::fmt;

use super::asks::{Asked, Got};
use super::drive::Span;
use super::schedule::Kind;

/// What came of all of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many requests there were.
    pub requests: usize,
    /// How many of them a service answered.
    pub answered: usize,
    /// How many of each kind of step there were.
    steps: BTreeMap<Kind, usize>,
    /// What nothing explains, and what does not agree.
    pub wrong: Vec<String>,
}

// === impl Report ===

impl Report {
    pub(super) fn of(asked: &[Asked], spans: &[Span]) -> Self {
        let mut steps = BTreeMap::new();
        for span in spans {
            *steps.entry(span.kind).or_default() += 1;
        }
        let answered = |asked: &&Asked| matches!(asked.answer, Got::Answer(_));
        Self {
            requests: asked.len(),
            answered: asked.iter().filter(answered).count(),
            steps,
            wrong: Vec::new(),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Whether there was something of each kind, and most requests were answered.
    pub fn saw_enough(&self) -> bool {
        self.steps.len() == 8 && self.answered * 2 > self.requests
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for wrong in self.wrong.iter().take(20) {
            writeln!(f, "violation: {wrong}")?;
        }
        writeln!(f, "steps: {:?}", self.steps)?;
        write!(
            f,
            "requests={} answered={} violations={}",
            self.requests,
            self.answered,
            self.wrong.len()
        )
    }
}
