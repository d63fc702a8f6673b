//! What came of what a worker had: outcomes on their way into the log, and what is left once it is gone.

use eai_core::log::tasks::Taken;

use super::Work;
use crate::backend::{Answer, Outcome, Running, WorkerState};
use crate::queue::hand::from_micros;
use crate::queue::outcome::{End, Loss};

// === impl Work ===

impl Work {
    /// Takes an outcome to the log, beside whatever the worker does next.
    pub(super) fn take_outcome(&mut self, outcome: Outcome) {
        let hand = self
            .hand
            .take_if(|hand| hand.is(&outcome.id, outcome.attempt));
        if let Some(beat) = &mut self.beat {
            beat.held = beat.held.take().filter(|held| held.id != outcome.id);
            beat.state = WorkerState::Running;
        }
        let ack = (outcome.id.clone(), outcome.attempt);
        // Where its time was over the log says that it is too late.
        let found = hand.map(|hand| hand.taken);
        let found = found.or_else(|| self.found(&outcome));
        let (queues, running) = (self.queues.clone(), self.running.clone());
        self.storing.spawn(async move {
            if let Some(taken) = found {
                let outcome = with_logs(&running, outcome).await;
                let end = End::Answered(outcome);
                queues.tell(&taken, end).await;
                eai_core::fail_point::reach("queue.stored");
            }
            ack
        });
    }

    /// The task of an outcome from before: none where the attempt is over.
    fn found(&self, outcome: &Outcome) -> Option<Taken> {
        let claim = self
            .identity
            .claim(&self.incarnation, from_micros(outcome.begun));
        let id = outcome.id.parse().ok()?;
        self.queues.tasks.resume(id, outcome.attempt, claim)
    }

    /// Tells what came of everything that the worker had, now that it is gone.
    pub(super) async fn settle(&mut self, why: String) {
        while self.storing.join_next().await.is_some() {}
        let silent = self.heard.map(|heard| heard.elapsed());
        let silent = silent.and_then(|silent| silent.try_into().ok());
        let loss = Loss { why, silent };
        let left = self.running.left().await.unwrap_or_default();
        if self.incarnation.is_empty() {
            // It never spoke to this platform.
            self.incarnation = left.incarnation;
        }
        for outcome in left.outcomes {
            let hand = self
                .hand
                .take_if(|hand| hand.is(&outcome.id, outcome.attempt));
            let found = match hand {
                Some(hand) if hand.is_late => continue,
                Some(hand) => Some(hand.taken),
                None => self.found(&outcome),
            };
            if let Some(taken) = found {
                let end = match &outcome.answer {
                    Answer::Gone => End::Lost(loss.clone()),
                    _ => End::Answered(with_logs(&self.running, outcome).await),
                };
                self.queues.tell(&taken, end).await;
            }
        }
        let Some(hand) = self.hand.take().filter(|hand| !hand.is_late) else {
            return;
        };
        let held = self.beat.as_ref().and_then(|beat| beat.held.as_ref());
        if held.is_some_and(|held| held.begun.is_some()) {
            // Nobody is left to say what became of it.
            self.queues.tell(&hand.taken, End::Lost(loss)).await;
        } else {
            let taken = &hand.taken;
            self.queues.tasks.give_back(taken.task.id, taken.attempt);
        }
    }
}

/// An outcome with what was written meanwhile, where only the engine knows that.
async fn with_logs(running: &Running, mut outcome: Outcome) -> Outcome {
    if let Some(logs) = running.logs(&outcome).await {
        outcome.logs = logs;
    }
    outcome
}
