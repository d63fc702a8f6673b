//! Writers: each sends one command after the other, and repeats one with its id until it is answered.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::{Builder, Uuid};

use super::client::{Caller, halted};
use super::history::{Action, Call, Line, Outcome, Recorder, Verb};

/// How long a command may stay unanswered once the faults are over.
const CONVERGENCE: Duration = Duration::from_secs(45);
/// How many acknowledged commands a writer may repeat later.
const REMEMBERED: usize = 32;

/// What the writers of a run share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) recorder: Recorder,
    /// Services that everybody changes.
    pub(super) shared: Vec<Uuid>,
    /// The number in the name that everybody wants next.
    wanted: AtomicU64,
    /// No new commands.
    over: AtomicBool,
    /// The platform said that it takes nothing more: there is nothing to wait for.
    halted: AtomicBool,
}

/// One writer.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) number: u32,
    caller: Caller,
    random: StdRng,
    made: u32,
    acknowledged: Vec<(Uuid, Action)>,
}

// === impl Ground ===

impl Ground {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            shared: Vec::new(),
            wanted: AtomicU64::new(0),
            over: AtomicBool::new(false),
            halted: AtomicBool::new(false),
        }
    }

    /// Nobody begins another command.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || self.is_halted()
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
    }

    /// A name that others want now too; once somebody has it, the next one is.
    fn wanted(&self) -> (u64, String) {
        let number = self.wanted.load(Ordering::SeqCst);
        (number, format!("race_{number}"))
    }

    fn gone(&self, number: u64) {
        // Another writer may have moved on already.
        self.wanted.fetch_max(number + 1, Ordering::SeqCst);
    }
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(number: u32, seed: u64, caller: Caller) -> Self {
        let seed = seed.wrapping_mul(1000).wrapping_add(u64::from(number) + 1);
        Self {
            number,
            caller,
            random: StdRng::seed_from_u64(seed),
            made: 0,
            acknowledged: Vec::new(),
        }
    }

    /// Sends commands until the run is over, and stays with the last one until it is answered.
    pub(super) async fn work(mut self, ground: &Ground) {
        while !ground.is_over() {
            if self.random.random_ratio(1, 12) && !self.acknowledged.is_empty() {
                let index = self.random.random_range(0..self.acknowledged.len());
                let (command, action) = self.acknowledged[index].clone();
                self.perform(ground, command, action, true).await;
            } else {
                self.new_command(ground).await;
            }
            // A person's pace, so that the machine has time for the faults.
            let pause = Duration::from_micros(self.random.random_range(0..8000));
            tokio::time::sleep(pause).await;
        }
    }

    async fn new_command(&mut self, ground: &Ground) {
        let (race, wanted) = ground.wanted();
        self.made += 1;
        let own = format!("w{}_{}", self.number, self.made);
        let (action, race) = match self.random.random_range(0..100) {
            0..20 => (Action::NewData(own), None),
            20..25 => (Action::NewService(own), None),
            25..37 => (Action::NewData(wanted), Some(race)),
            37..42 => (Action::NewService(wanted), Some(race)),
            _ => {
                let service = ground.shared[self.random.random_range(0..ground.shared.len())];
                let verb = match self.random.random_range(0..100) {
                    0..35 => Verb::Start,
                    35..70 => Verb::Stop,
                    70..80 => Verb::Deactivate,
                    _ => Verb::Reactivate,
                };
                (Action::Change(service, verb), None)
            }
        };
        let command = self.next_id();
        self.perform(ground, command, action, false).await;
        if let Some(race) = race {
            ground.gone(race);
        }
    }

    /// The id of a new command.
    pub(super) fn next_id(&mut self) -> Uuid {
        Builder::from_random_bytes(self.random.random()).into_uuid()
    }

    /// Sends a command until it is answered; the answer, if the platform gave one.
    pub(super) async fn perform(
        &mut self,
        ground: &Ground,
        command: Uuid,
        action: Action,
        late: bool,
    ) -> Option<Outcome> {
        let mut quiet_since = None;
        loop {
            // Some give up before the platform does, so that what they asked for may happen behind their backs.
            let impatient = self.random.random_ratio(2, 3);
            let patience = Duration::from_millis(if impatient { 2500 } else { 20_000 });
            let start = ground.recorder.now();
            let outcome = self.caller.send(command, &action, patience).await;
            let call = Call {
                writer: self.number,
                command,
                action: action.clone(),
                late,
                start,
                end: ground.recorder.now(),
                outcome: outcome.clone(),
            };
            ground
                .recorder
                .write(&Line::Call(call))
                .expect("the history is written");
            match outcome {
                Outcome::Ok { .. } => {
                    if !late {
                        self.remember(command, action);
                    }
                    return Some(outcome);
                }
                Outcome::Refused { .. } => return Some(outcome),
                Outcome::Unknown(_) => {}
            }
            if halted(&outcome) {
                ground.halted.store(true, Ordering::SeqCst);
            }
            if ground.is_over() {
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if ground.is_halted() || since.elapsed() > CONVERGENCE {
                    return None;
                }
            }
            let pause = Duration::from_millis(self.random.random_range(5..60));
            tokio::time::sleep(pause).await;
        }
    }

    fn remember(&mut self, command: Uuid, action: Action) {
        if self.acknowledged.len() < REMEMBERED {
            self.acknowledged.push((command, action));
        } else {
            let index = self.random.random_range(0..REMEMBERED);
            self.acknowledged[index] = (command, action);
        }
    }
}
