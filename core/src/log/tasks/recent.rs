//! The newest events of the log of tasks as they are stored: what was folded just now is what is asked for next.
//!
//! Bounded by bytes. It must not know what an event means.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::log::Recorded;

/// The most bytes of payloads that are kept.
const MOST: usize = 8 * 1024 * 1024;

/// Events by their sequence, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    events: VecDeque<Recorded>,
    bytes: usize,
}

// === impl Recent ===

impl Recent {
    /// Keeps an event that is newer than all before.
    pub(super) fn push(&mut self, event: &Recorded) {
        // What arrives is a piece of all that arrived with it, which would be kept as well.
        let payload = Bytes::copy_from_slice(&event.payload);
        self.bytes += payload.len();
        self.events.push_back(Recorded {
            sequence: event.sequence,
            subject: event.subject.clone(),
            payload,
        });
        while self.bytes > MOST
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.payload.len();
        }
    }

    /// An event, if it is still here.
    pub(super) fn get(&self, sequence: u64) -> Option<Recorded> {
        self.events.get(self.place(sequence)?).cloned()
    }

    /// What is in the log no more is not here either.
    pub(super) fn forget(&mut self, sequence: u64) {
        let event = self.place(sequence).and_then(|at| self.events.remove(at));
        self.bytes -= event.map_or(0, |event| event.payload.len());
    }

    fn place(&self, sequence: u64) -> Option<usize> {
        let by = |event: &Recorded| event.sequence;
        self.events.binary_search_by_key(&sequence, by).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, bytes: usize) -> Recorded {
        Recorded {
            sequence,
            subject: format!("eai.task.snow.testacc.task.{sequence}.done"),
            payload: vec![0; bytes].into(),
        }
    }

    #[test]
    fn the_newest_are_there_and_older_ones_make_room() {
        let mut recent = Recent::default();
        // Sequences have gaps: what ended long ago is removed.
        for sequence in (1..=400).map(|index| index * 3) {
            recent.push(&event(sequence, MOST / 100));
        }
        assert!(recent.bytes <= MOST);
        let kept: Vec<u64> = (1..=1300).filter(|at| recent.get(*at).is_some()).collect();
        let newest: Vec<u64> = (301..=400).map(|index| index * 3).collect();
        assert_eq!(kept, newest);
        assert_eq!(recent.get(1200).unwrap().subject, event(1200, 0).subject);
        for sequence in [1200, 900, 1, 1200] {
            recent.forget(sequence);
            assert!(recent.get(sequence).is_none());
        }
        let bytes = recent.events.iter().map(|event| event.payload.len());
        assert_eq!((recent.events.len(), recent.bytes), (99, bytes.sum()));
    }
}
