//! What a worker has and may do now: one task at a time, each answered once.
//!
//! Pure: time comes in.

use std::collections::VecDeque;

use crate::backend::{Answer, Failure, Held, Invocation, Outcome, WorkerState};

/// How many outcomes may wait to be acknowledged before no more is taken.
pub(super) const OUTCOMES: usize = 16;
/// How many bytes they may have.
const OUTCOMES_MAX: usize = 16 * 1024 * 1024;

/// Between a worker and its platform.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Whether somebody waits for a task.
    waiting: bool,
    /// Whether somebody ever did.
    began: bool,
    /// Given by the platform, and not fetched yet.
    given: Option<Invocation>,
    /// Fetched, and not answered yet.
    fetched: Option<Fetched>,
    /// The newest that was answered.
    answered: Option<String>,
    /// Each with its number, from 1.
    outcomes: VecDeque<(u64, Outcome)>,
    count: u64,
    failure: Option<Failure>,
    turn: u64,
}

/// A task that the worker has.
#[derive(Debug)]
struct Fetched {
    id: String,
    attempt: u32,
    /// In Unix microseconds.
    at: u64,
    deadline: u64,
    /// Where the output ended then.
    output: u64,
}

/// Why a worker may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("another request waits for a task already: a worker has one at a time")]
    Waiting,
    #[error("answer the task that you have before you ask for another one")]
    Unanswered,
    #[error("the task was answered already")]
    Answered,
    #[error("there is no such task")]
    Unknown,
    #[error("it began already: tell of a task that failed by its own address")]
    Began,
}

// === impl Desk ===

impl Desk {
    /// What the worker does.
    pub(super) fn state(&self) -> WorkerState {
        if self.fetched.is_some() {
            WorkerState::Processing
        } else if self.began {
            WorkerState::Running
        } else {
            WorkerState::Starting
        }
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.fetched.as_ref().map(Fetched::held).or_else(|| {
            self.given.as_ref().map(|given| Held {
                id: given.id.clone(),
                attempt: given.attempt,
                begun: None,
                deadline: given.deadline,
            })
        })
    }

    /// Every attempt that the worker had, and that no platform has acknowledged; oldest first.
    pub(super) fn open(&self) -> Vec<Held> {
        let answered = self.outcomes.iter().map(|(_, outcome)| Held {
            id: outcome.id.clone(),
            attempt: outcome.attempt,
            begun: Some(outcome.begun),
            deadline: 0,
        });
        let fetched = self.fetched.iter().map(Fetched::held);
        answered.chain(fetched).collect()
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Grows with every change of what the worker does, but for answers.
    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// What no platform has acknowledged, oldest first, as far as it has a higher number.
    pub(super) fn outcomes_after(&self, number: u64) -> impl Iterator<Item = (u64, &Outcome)> {
        self.outcomes
            .iter()
            .filter(move |(has, _)| *has > number)
            .map(|(has, outcome)| (*has, outcome))
    }

    /// What no platform has acknowledged, oldest first, now that nothing more can come.
    pub(super) fn left(&self, now: u64) -> Vec<Outcome> {
        let kept = self.outcomes.iter().map(|(_, kept)| kept.clone());
        let gone = self.fetched.as_ref().map(|fetched| Outcome {
            id: fetched.id.clone(),
            attempt: fetched.attempt,
            answer: Answer::Gone,
            logs: String::new(),
            begun: fetched.at,
            ended: now,
        });
        kept.chain(gone).collect()
    }

    /// Whether a task is there to be fetched.
    pub(super) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// Takes a task of the platform, unless the worker has one, or the platform stores too slowly.
    pub(super) fn give(&mut self, invocation: Invocation) -> bool {
        let is_busy = self.given.is_some() || self.fetched.is_some();
        if is_busy || self.outcomes.len() >= OUTCOMES || self.kept() > OUTCOMES_MAX {
            return false;
        }
        self.given = Some(invocation);
        true
    }

    /// The bytes of what waits to be acknowledged.
    fn kept(&self) -> usize {
        let sizes = self.outcomes.iter().map(|(_, outcome)| {
            let answer = match &outcome.answer {
                Answer::Response(result) => result.get().len(),
                // Bounded when it was made.
                Answer::Error(_) | Answer::Gone => 0,
            };
            answer + outcome.logs.len()
        });
        sizes.sum()
    }

    /// A request for a task begins to wait.
    pub(super) fn wait(&mut self) -> Result<(), Refused> {
        if self.fetched.is_some() {
            return Err(Refused::Unanswered);
        }
        if self.waiting {
            return Err(Refused::Waiting);
        }
        self.waiting = true;
        if !self.began {
            self.began = true;
            self.turn += 1;
        }
        Ok(())
    }

    /// It waits no more, whether it got one or not.
    pub(super) fn stop_waiting(&mut self) {
        self.waiting = false;
    }

    /// Hands the task over. `output` is where the output ends.
    pub(super) fn fetch(&mut self, now: u64, output: u64) -> Option<Invocation> {
        let given = self.given.take()?;
        self.fetched = Some(Fetched {
            id: given.id.clone(),
            attempt: given.attempt,
            at: now,
            deadline: given.deadline,
            output,
        });
        self.turn += 1;
        Some(given)
    }

    /// Where the output ended when this task was fetched, if it is the one to be answered.
    pub(super) fn output_since(&self, id: &str) -> Result<u64, Refused> {
        match &self.fetched {
            Some(fetched) if fetched.id == id => Ok(fetched.output),
            _ if self.answered.as_deref() == Some(id) => Err(Refused::Answered),
            _ => Err(Refused::Unknown),
        }
    }

    /// The worker has answered.
    pub(super) fn answer(
        &mut self,
        id: &str,
        answer: Answer,
        logs: String,
        now: u64,
    ) -> Result<(), Refused> {
        self.output_since(id)?;
        let fetched = self.fetched.take().ok_or(Refused::Unknown)?;
        self.answered = Some(fetched.id.clone());
        self.count += 1;
        let outcome = Outcome {
            id: fetched.id,
            attempt: fetched.attempt,
            answer,
            logs,
            begun: fetched.at,
            ended: now,
        };
        self.outcomes.push_back((self.count, outcome));
        Ok(())
    }

    /// The worker could not begin.
    pub(super) fn fail(&mut self, failure: Failure) -> Result<(), Refused> {
        if self.began {
            return Err(Refused::Began);
        }
        self.failure = Some(failure);
        self.turn += 1;
        Ok(())
    }

    /// The platform has stored an outcome.
    pub(super) fn acknowledge(&mut self, id: &str, attempt: u32) {
        self.outcomes
            .retain(|(_, kept)| kept.id != id || kept.attempt != attempt);
    }
}

// === impl Fetched ===

impl Fetched {
    fn held(&self) -> Held {
        Held {
            id: self.id.clone(),
            attempt: self.attempt,
            begun: Some(self.at),
            deadline: self.deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn invocation(id: &str, attempt: u32) -> Invocation {
        Invocation {
            id: id.to_owned(),
            attempt,
            deadline: 9,
            event: RawValue::NULL.to_owned(),
            trace_id: None,
            client_context: None,
            cognito_identity: None,
        }
    }

    fn response() -> Answer {
        Answer::Response(RawValue::NULL.to_owned())
    }

    fn answer(desk: &mut Desk, id: &str) -> Result<(), Refused> {
        desk.answer(id, response(), String::new(), 5)
    }

    /// A desk whose worker has fetched a task.
    fn processing(id: &str) -> Desk {
        let mut desk = Desk::default();
        assert!(desk.give(invocation(id, 1)));
        desk.wait().unwrap();
        desk.fetch(1, 0).unwrap();
        desk.stop_waiting();
        desk
    }

    #[test]
    fn a_task_is_given_fetched_answered_and_acknowledged() {
        let mut desk = Desk::default();
        assert_eq!(desk.state(), WorkerState::Starting);
        desk.wait().unwrap();
        assert_eq!(desk.state(), WorkerState::Running);
        assert!(desk.give(invocation("a", 2)));
        assert_eq!(desk.held().unwrap().begun, None);
        assert_eq!(desk.fetch(7, 100).unwrap().id, "a");
        desk.stop_waiting();
        assert_eq!(desk.state(), WorkerState::Processing);
        assert_eq!(desk.held().unwrap().begun, Some(7));
        assert_eq!(desk.output_since("a"), Ok(100));
        answer(&mut desk, "a").unwrap();
        assert_eq!(desk.state(), WorkerState::Running);
        let kept: Vec<_> = desk
            .outcomes_after(0)
            .map(|(number, kept)| (number, kept.attempt, kept.begun))
            .collect();
        assert_eq!(kept, [(1, 2, 7)]);
        assert_eq!(desk.outcomes_after(1).count(), 0);
        desk.acknowledge("a", 1);
        assert_eq!(desk.outcomes_after(0).count(), 1);
        desk.acknowledge("a", 2);
        assert_eq!(desk.outcomes_after(0).count(), 0);
    }

    #[test]
    fn what_is_open_was_fetched_and_not_acknowledged() {
        let mut desk = processing("a");
        answer(&mut desk, "a").unwrap();
        assert!(desk.give(invocation("b", 2)));
        let open = |desk: &Desk| -> Vec<_> {
            let open = desk.open().into_iter();
            open.map(|held| (held.id, held.attempt)).collect()
        };
        assert_eq!(open(&desk), [("a".to_owned(), 1)]);
        desk.fetch(7, 0).unwrap();
        assert_eq!(open(&desk), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        desk.acknowledge("a", 1);
        assert_eq!(open(&desk), [("b".to_owned(), 2)]);
    }

    #[test]
    fn one_task_at_a_time() {
        let mut desk = processing("a");
        assert!(!desk.give(invocation("b", 1)));
        assert_eq!(desk.wait(), Err(Refused::Unanswered));
        answer(&mut desk, "a").unwrap();
        desk.wait().unwrap();
        assert_eq!(desk.wait(), Err(Refused::Waiting));
        assert!(desk.give(invocation("b", 1)));
        assert!(!desk.give(invocation("c", 1)));
    }

    #[test]
    fn an_answer_counts_once_and_only_for_the_task_at_hand() {
        let mut desk = processing("a");
        assert_eq!(answer(&mut desk, "b"), Err(Refused::Unknown));
        answer(&mut desk, "a").unwrap();
        assert_eq!(answer(&mut desk, "a"), Err(Refused::Answered));
        assert_eq!(desk.outcomes_after(0).count(), 1);
    }

    #[test]
    fn a_task_that_nobody_fetched_cannot_be_answered() {
        let mut desk = Desk::default();
        assert!(desk.give(invocation("a", 1)));
        assert_eq!(answer(&mut desk, "a"), Err(Refused::Unknown));
        assert!(desk.is_given());
    }

    #[test]
    fn nothing_more_is_taken_while_outcomes_wait_to_be_stored() {
        let mut desk = Desk::default();
        for number in 0..OUTCOMES {
            let id = number.to_string();
            assert!(desk.give(invocation(&id, 1)));
            desk.fetch(1, 0).unwrap();
            answer(&mut desk, &id).unwrap();
        }
        assert!(!desk.give(invocation("more", 1)));
        desk.acknowledge("0", 1);
        assert!(desk.give(invocation("more", 1)));
    }

    #[test]
    fn only_who_never_began_could_not_begin() {
        let mut desk = Desk::default();
        desk.fail(Failure::default()).unwrap();
        assert_eq!(desk.failure(), Some(&Failure::default()));
        let mut desk = Desk::default();
        desk.wait().unwrap();
        assert_eq!(desk.fail(Failure::default()), Err(Refused::Began));
    }
}
