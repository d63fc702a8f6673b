//! Commands as their callers lived through them.

use std::collections::HashMap;

use uuid::Uuid;

use crate::chaos::history::{Action, Call, Micros, Outcome};

/// All calls of one command, in order.
#[derive(Debug)]
pub(super) struct Story<'a> {
    pub(super) command: Uuid,
    pub(super) action: &'a Action,
    pub(super) calls: Vec<&'a Call>,
}

/// All commands of a run.
#[derive(Debug)]
pub(super) struct Stories<'a> {
    /// In the order of their first answers.
    pub(super) all: Vec<Story<'a>>,
    index: HashMap<Uuid, usize>,
}

// === impl Stories ===

impl<'a> Stories<'a> {
    pub(super) fn tell(calls: &'a [Call]) -> Self {
        let mut stories = Self {
            all: Vec::new(),
            index: HashMap::new(),
        };
        for call in calls {
            let next = stories.all.len();
            let index = *stories.index.entry(call.command).or_insert(next);
            if index == next {
                stories.all.push(Story {
                    command: call.command,
                    action: &call.action,
                    calls: Vec::new(),
                });
            }
            stories.all[index].calls.push(call);
        }
        stories
    }

    pub(super) fn get(&self, command: Uuid) -> Option<&Story<'a>> {
        self.index.get(&command).map(|index| &self.all[*index])
    }
}

// === impl Story ===

impl<'a> Story<'a> {
    /// When it was first sent.
    pub(super) fn begun(&self) -> Micros {
        self.calls.first().map_or(0, |call| call.start)
    }

    /// The first definite answer.
    pub(super) fn answer(&self) -> Option<&'a Call> {
        self.calls
            .iter()
            .copied()
            .find(|call| !matches!(call.outcome, Outcome::Unknown(_)))
    }

    /// The calls that were answered with success.
    pub(super) fn successes(&self) -> impl DoubleEndedIterator<Item = &'a Call> + '_ {
        self.calls
            .iter()
            .copied()
            .filter(|call| matches!(call.outcome, Outcome::Ok { .. }))
    }

    /// From when on everybody can know of its event.
    ///
    /// A change that found nothing to do may find something when it is sent again: its event belongs to the
    /// first success or to any later one, so only after the last it is certain.
    pub(super) fn acknowledged(&self) -> Micros {
        let success = match self.action {
            Action::Change(..) => self.successes().next_back(),
            Action::NewData(_) | Action::NewService(_) => self.successes().next(),
        };
        success.map_or(Micros::MAX, |call| call.end)
    }
}
