//! Which fault comes when: all of it drawn from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::history::FaultKind;

/// A fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// How long after the end of the one before.
    pub(super) after: Duration,
    pub(super) kind: FaultKind,
    /// How long it lasts; only what is frozen lasts.
    pub(super) lasts: Duration,
}

/// Every four faults have one of each, so that a short run has seen them all.
const DECK: [FaultKind; 4] = [
    FaultKind::KillPlatform,
    FaultKind::KillNats,
    FaultKind::FreezePlatform,
    FaultKind::FreezeNats,
];

/// The faults of a run, spread over `span` if one is given.
pub(super) fn plan(seed: u64, count: u32, span: Option<Duration>) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults = Vec::new();
    let mut freezes = 0_u32;
    while faults.len() < count as usize {
        let mut deck = DECK;
        deck.shuffle(&mut random);
        for mut kind in deck {
            let after = Duration::from_millis(random.random_range(300..1600));
            if kind == FaultKind::KillPlatform && random.random_ratio(1, 4) {
                kind = FaultKind::KillBoth;
            }
            let frozen = matches!(kind, FaultKind::FreezePlatform | FaultKind::FreezeNats);
            freezes += u32::from(frozen);
            // A request to nats-server is given up after 5 s: a longer freeze leaves publishes that land later.
            let lasts = match (frozen, freezes % 4) {
                (false, _) => 0,
                (true, 1 | 2) => random.random_range(5500..8000),
                (true, _) => random.random_range(1000..3500),
            };
            let lasts = Duration::from_millis(lasts);
            faults.push(Planned { after, kind, lasts });
        }
    }
    faults.truncate(count as usize);
    if let Some(span) = span {
        stretch(&mut faults, span);
    }
    faults
}

/// Makes the pauses longer, so that the whole takes as long as was asked.
fn stretch(faults: &mut [Planned], span: Duration) {
    let frozen: Duration = faults.iter().map(|fault| fault.lasts).sum();
    let pauses: Duration = faults.iter().map(|fault| fault.after).sum();
    let factor = span.saturating_sub(frozen).as_secs_f64() / pauses.as_secs_f64().max(0.001);
    for fault in faults {
        fault.after = fault.after.mul_f64(factor.max(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_makes_the_same_schedule() {
        assert_eq!(plan(7, 30, None), plan(7, 30, None));
        assert_ne!(plan(7, 30, None), plan(8, 30, None));
        assert_eq!(plan(7, 30, None).len(), 30);
    }

    #[test]
    fn four_faults_are_one_of_each_with_a_long_freeze() {
        for seed in 0..50 {
            let faults = plan(seed, 4, None);
            let has = |kind| faults.iter().any(|fault| fault.kind == kind);
            assert!(has(FaultKind::KillPlatform) || has(FaultKind::KillBoth));
            assert!(has(FaultKind::KillNats) && has(FaultKind::FreezeNats));
            assert!(
                faults
                    .iter()
                    .any(|fault| fault.lasts > Duration::from_secs(5))
            );
        }
    }

    #[test]
    fn a_run_takes_as_long_as_was_asked() {
        let faults = plan(1, 10, Some(Duration::from_mins(10)));
        let whole: Duration = faults.iter().map(|fault| fault.after + fault.lasts).sum();
        assert!(whole.abs_diff(Duration::from_mins(10)) < Duration::from_secs(1));
    }
}
