//! Which fault comes when, and what each job is to do: all of it drawn from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::LEASE;

/// What is done to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FaultKind {
    /// `kill -9` of the platform; it is away for a while.
    KillPlatform,
    /// `kill -9` of the second executor; it is away for a while.
    KillOther,
    /// `kill -9` of nats-server; the platform starts another.
    KillNats,
    /// The platform is frozen for longer than a lease.
    FreezePlatform,
    /// The second executor is.
    FreezeOther,
    /// nats-server is: it is away for everybody.
    FreezeNats,
}

/// A fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// How long after the end of the one before.
    pub(super) after: Duration,
    pub(super) kind: FaultKind,
    pub(super) lasts: Duration,
}

/// Every six faults have one of each, so that a short run has seen them all.
pub(super) const DECK: [FaultKind; 6] = [
    FaultKind::KillPlatform,
    FaultKind::KillOther,
    FaultKind::KillNats,
    FaultKind::FreezePlatform,
    FaultKind::FreezeOther,
    FaultKind::FreezeNats,
];

/// Faults without an end.
#[derive(Debug)]
pub(super) struct Schedule {
    random: StdRng,
    left: Vec<FaultKind>,
    kills: u32,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is asked to exit with this code.
    Exits(i32),
    /// It exits with this code by itself, a while after it was asked for.
    ExitsItself(i32),
    /// It is killed.
    Killed,
    /// Its service is stopped, and started again.
    Stopped,
    /// It goes on until everything is stopped.
    Stays,
}

/// One run of a service's job: it is asked for, goes on for a while, and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) life: Duration,
    pub(super) ending: Ending,
}

// === impl Schedule ===

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            left: Vec::new(),
            kills: 0,
        }
    }

    pub(super) fn next(&mut self) -> Planned {
        if self.left.is_empty() {
            self.left = DECK.to_vec();
            self.left.shuffle(&mut self.random);
        }
        let kind = self.left.pop().unwrap_or(FaultKind::KillNats);
        let after = Duration::from_millis(self.random.random_range(300..1800));
        let long = LEASE.mul_f64(self.random.random_range(1.4..2.2));
        let lasts = match kind {
            FaultKind::KillNats => Duration::ZERO,
            // Whoever is back at once keeps what it has; whoever is away for longer has lost it.
            FaultKind::KillPlatform | FaultKind::KillOther => {
                self.kills += 1;
                if self.kills.is_multiple_of(2) {
                    long
                } else {
                    Duration::ZERO
                }
            }
            FaultKind::FreezePlatform | FaultKind::FreezeOther | FaultKind::FreezeNats => long,
        };
        Planned { after, kind, lasts }
    }
}

/// What the job of each service does.
pub(super) fn rounds(seed: u64, services: u32) -> Vec<Vec<Round>> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x6a6f_6273);
    let mut round = || Round {
        life: Duration::from_millis(random.random_range(0..4000)),
        ending: match random.random_range(0..12) {
            0..=1 => Ending::Exits(0),
            2..=3 => Ending::Exits(3),
            4 => Ending::ExitsItself(0),
            5 => Ending::ExitsItself(3),
            6..=7 => Ending::Killed,
            8..=9 => Ending::Stopped,
            _ => Ending::Stays,
        },
    };
    let mut service = |number: u32| match number % 2 {
        0 => vec![round()],
        _ => vec![round(), round()],
    };
    (0..services).map(&mut service).collect()
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
        assert_eq!(rounds(7, 50), rounds(7, 50));
    }

    #[test]
    fn six_faults_are_one_of_each() {
        for seed in 0..50 {
            let mut schedule = Schedule::new(seed);
            let kinds: Vec<_> = DECK.iter().map(|_| schedule.next().kind).collect();
            assert!(DECK.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
        }
    }
}
