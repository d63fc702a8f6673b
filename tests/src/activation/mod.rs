//! Rounds of fifty requests on a cold service, with faults between and during them: every time one job, begun once.

mod options;
mod round;

use std::fmt;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::platform::Platform;

pub use options::Options;
use round::Round;

/// What came of all rounds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many rounds there were.
    pub rounds: u32,
    /// How many requests had to be answered 200.
    pub requests: usize,
    /// How many were.
    pub answered: usize,
    /// How many jobs there were.
    pub jobs: usize,
    /// What went wrong, round by round.
    pub violations: Vec<String>,
}

/// Runs the rounds on one platform. What each does comes from the seed. `told` hears how far it is after each.
pub async fn run(options: &Options, mut told: impl FnMut(&Summary)) -> Summary {
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut platform = Platform::on(options.backend);
    let mut summary = Summary::default();
    for number in 0..options.rounds {
        let round = Round::choose(number, &mut random);
        round.play(&mut platform, &mut summary).await;
        summary.rounds += 1;
        told(&summary);
    }
    summary
}

// === impl Summary ===

impl Summary {
    /// Whether nothing went wrong.
    pub fn passed(&self) -> bool {
        self.violations.is_empty() && self.answered == self.requests
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "violation: {violation}")?;
        }
        write!(
            f,
            "rounds={} requests={} answered={} jobs={} violations={}",
            self.rounds,
            self.requests,
            self.answered,
            self.jobs,
            self.violations.len()
        )
    }
}
