//! Which fault comes when, and what each task is to do: all of it drawn from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::soak::{HEARTBEAT, LEASE};

/// What is done to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FaultKind {
    /// `kill -9` of a worker's own process.
    KillWorker,
    /// A worker's own process is stopped by a signal, and nobody lets it go on.
    StopWorker,
    /// `kill -9` of the process that serves a worker.
    KillShim,
    /// `kill -9` of the platform; it is away for a while.
    KillPlatform,
    /// The same, and a worker dies meanwhile.
    KillPlatformAndWorker,
    /// The same, and a worker dies together with the process that serves it.
    KillPlatformAndShim,
    /// `kill -9` of nats-server; the platform starts another.
    KillNats,
    /// The platform is frozen for longer than a lease.
    FreezePlatform,
    /// nats-server is frozen: it is away for everybody.
    FreezeNats,
}

/// A fault to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planned {
    /// How long after the end of the one before.
    pub(super) after: Duration,
    pub(super) kind: FaultKind,
    pub(super) lasts: Duration,
    /// Which worker, from 0 to 1.
    pub(super) whom: f64,
}

/// Every ten faults have one of each, so that a short run has seen them all.
pub(super) const DECK: [FaultKind; 10] = [
    FaultKind::KillWorker,
    FaultKind::KillWorker,
    FaultKind::StopWorker,
    FaultKind::KillShim,
    FaultKind::KillPlatform,
    FaultKind::KillPlatformAndWorker,
    FaultKind::KillPlatformAndShim,
    FaultKind::KillNats,
    FaultKind::FreezePlatform,
    FaultKind::FreezeNats,
];

/// Faults without an end.
#[derive(Debug)]
pub(super) struct Schedule {
    random: StdRng,
    left: Vec<FaultKind>,
}

/// Tasks that are sent together, and what the one who sends them does then.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Batch {
    pub(super) tasks: Vec<Value>,
    /// Whether their ends are waited for.
    pub(super) is_awaited: bool,
    /// The pause after that.
    pub(super) pause: Duration,
}

// === impl Schedule ===

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            left: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> Planned {
        if self.left.is_empty() {
            self.left = DECK.to_vec();
            self.left.shuffle(&mut self.random);
        }
        let kind = self.left.pop().unwrap_or(FaultKind::KillNats);
        let after = Duration::from_millis(self.random.random_range(300..1500));
        let factor: f64 = self.random.random_range(1.2..2.0);
        let lasts = match kind {
            FaultKind::KillWorker
            | FaultKind::StopWorker
            | FaultKind::KillShim
            | FaultKind::KillNats => Duration::ZERO,
            // Whoever is back soon keeps what it has; whoever is away for longer has lost it.
            FaultKind::KillPlatform
            | FaultKind::KillPlatformAndWorker
            | FaultKind::KillPlatformAndShim
                if self.random.random_bool(0.5) =>
            {
                Duration::ZERO
            }
            FaultKind::KillPlatform
            | FaultKind::KillPlatformAndWorker
            | FaultKind::KillPlatformAndShim
            | FaultKind::FreezePlatform
            | FaultKind::FreezeNats => LEASE.max(HEARTBEAT).mul_f64(factor),
        };
        Planned {
            after,
            kind,
            lasts,
            whom: self.random.random_range(0.0..1.0),
        }
    }
}

/// What is sent, by each of those who send. Each task has a number of its own, which its worker answers with.
pub(super) fn batches(seed: u64, tasks: usize, senders: usize) -> Vec<Vec<Batch>> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x7461_736b);
    let mut all = vec![Vec::new(); senders];
    let mut number = 0;
    let mut turns = (0..senders).cycle();
    while number < tasks {
        let count = random.random_range(1..=8).min(tasks - number);
        let some = (number..number + count).map(|number| task(number, &mut random));
        let batch = Batch {
            tasks: some.collect(),
            is_awaited: random.random_bool(0.25),
            pause: Duration::from_millis(random.random_range(0..600)),
        };
        number += count;
        if let Some(own) = turns.next().and_then(|turn| all.get_mut(turn)) {
            own.push(batch);
        }
    }
    all
}

fn task(number: usize, random: &mut StdRng) -> Value {
    let seconds = f64::from(random.random_range(0..30_u32)) / 1000.0;
    let args =
        |what: &str, seconds: f64| json!({ "number": number, "do": what, "seconds": seconds });
    let mut task = match random.random_range(0..300) {
        // Its workers die of it, and it becomes a dead letter. Few, since a place whose workers fail is filled ever
        // more slowly.
        0 => json!({ "args": args("die", 0.0), "retries": 1 }),
        1..=9 => json!({ "args": args("fail", seconds), "retries": random.random_range(1..=2) }),
        // What its worker says in the end comes after its time, and the next attempt is on its way by then.
        10..=24 => json!({ "args": args("late", 0.9), "retries": 6, "timeout": 0.5 }),
        _ => json!({ "args": args("work", seconds), "retries": 6 }),
    };
    task["backoff"] = json!(0.1);
    if random.random_bool(0.2) {
        task["worker_idx"] = json!(random.random_range(0..6));
    }
    if random.random_bool(0.2) {
        task["key"] = json!(format!("key-{number}"));
    }
    if random.random_bool(0.2) {
        task["priority"] = json!(random.random_range(-5..=5));
    }
    task
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_schedule() {
        let faults = |seed| {
            let mut schedule = Schedule::new(seed);
            (0..20).map(|_| schedule.next()).collect::<Vec<_>>()
        };
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
        assert_eq!(batches(7, 50, 4), batches(7, 50, 4));
    }

    #[test]
    fn ten_faults_are_one_of_each() {
        for seed in 0..50 {
            let mut schedule = Schedule::new(seed);
            let kinds: Vec<_> = DECK.iter().map(|_| schedule.next().kind).collect();
            assert!(DECK.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
        }
    }

    #[test]
    fn every_task_is_sent_once() {
        let sent = batches(3, 1000, 4);
        let tasks = sent.iter().flatten().flat_map(|batch| &batch.tasks);
        let mut numbers: Vec<_> = tasks.map(|task| task["args"]["number"].as_u64()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1000).map(Some).collect::<Vec<_>>());
    }
}
