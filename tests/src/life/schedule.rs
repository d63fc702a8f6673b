//! What is done when: all of it drawn from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Something that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A new revision.
    Update,
    /// It is stopped and, a moment later, started.
    Stop,
    /// Its job is replaced by another one of the same revision.
    Restart,
    /// A job of it is killed by a signal.
    Die,
    /// It is to have another number of replicas.
    Resize,
    /// Nobody asks for a while.
    Idle,
    /// The platform is killed and started again.
    KillPlatform,
    /// The NATS server is killed.
    KillNats,
}

/// What is done, and to which service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) service: usize,
    /// How long after what was done before.
    pub(super) after: Duration,
    /// How long it lasts.
    pub(super) lasts: Duration,
    /// Between how many replicas it has.
    pub(super) replicas: (u32, u32),
}

/// The most replicas that a service has.
const MOST_REPLICAS: u32 = 3;

/// So often each comes in one deck, so that a short run has seen them all.
const DECK: [(Kind, usize); 8] = [
    (Kind::Update, 4),
    (Kind::Stop, 2),
    (Kind::Restart, 2),
    (Kind::Die, 2),
    (Kind::Resize, 3),
    (Kind::Idle, 3),
    (Kind::KillPlatform, 1),
    (Kind::KillNats, 1),
];

/// So many steps; `idle` is when a service falls idle.
pub(super) fn steps(seed: u64, count: u32, services: usize, idle: Duration) -> Vec<Step> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut steps = Vec::new();
    while steps.len() < count as usize {
        let cards = DECK.into_iter();
        let mut deck: Vec<_> = cards
            .flat_map(|(kind, count)| std::iter::repeat_n(kind, count))
            .collect();
        deck.shuffle(&mut random);
        for kind in deck {
            let lasts = match kind {
                // Until it is frozen, until it is being stopped, until it is gone.
                Kind::Idle => idle.mul_f64(random.random_range(0.5..1.4)),
                Kind::Stop => Duration::from_millis(random.random_range(0..800)),
                _ => Duration::ZERO,
            };
            let most = random.random_range(1..=MOST_REPLICAS);
            steps.push(Step {
                replicas: (random.random_range(1..=most), most),
                kind,
                service: random.random_range(0..services),
                after: Duration::from_millis(random.random_range(0..900)),
                lasts,
            });
        }
    }
    steps.truncate(count as usize);
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_steps_and_a_deck_has_them_all() {
        let whole = DECK.iter().map(|(_, count)| *count).sum::<usize>();
        let whole = u32::try_from(whole).unwrap();
        let drawn = |seed| steps(seed, whole, 3, Duration::from_secs(3));
        let told = |seed| format!("{:?}", drawn(seed));
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
        let kinds: BTreeSet<_> = drawn(7).iter().map(|step| step.kind).collect();
        assert_eq!(kinds.len(), DECK.len());
    }
}
