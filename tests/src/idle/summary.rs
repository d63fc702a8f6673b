//! What came of all cycles.

use std::fmt;

/// What came of all cycles.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many rounds there were.
    pub rounds: u32,
    /// How many cycles, over all services.
    pub cycles: u32,
    /// How many requests were sent, and how many of them were not answered 200.
    pub requests: u32,
    /// See there.
    pub failed: u32,
    /// How many of them woke a job that was frozen, ending or gone.
    pub woken: [u32; 3],
    /// How often the platform was killed.
    pub kills: u32,
    /// How often NATS was.
    pub nats_kills: u32,
    /// By how many milliseconds each stop came after its time; before it, where it is below 0.
    pub stops: Vec<i128>,
    /// By how many milliseconds each job was frozen after half of its time.
    pub freezes: Vec<i128>,
    /// How many stops were due while there was no platform; they are counted from its next start on.
    pub overdue: u32,
    /// What went wrong.
    pub violations: Vec<String>,
}

/// The most that a stop may be away from its time.
pub(super) const EXACT: i128 = 1000;

// === impl Summary ===

impl Summary {
    /// Whether nothing went wrong, and something happened.
    pub fn passed(&self) -> bool {
        self.violations.is_empty() && self.failed == 0 && !self.stops.is_empty()
    }

    /// How many stops were more than a second away from their time.
    fn inexact(&self) -> usize {
        let away = |by: &&i128| by.abs() > EXACT;
        self.stops.iter().filter(away).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "violation: {violation}")?;
        }
        let [frozen, ending, gone] = self.woken;
        writeln!(f, "stops after their time: {}", Spread::of(&self.stops))?;
        writeln!(f, "freezes after half of it: {}", Spread::of(&self.freezes))?;
        write!(
            f,
            "cycles={} rounds={} requests={} failed={} woken_frozen={frozen} woken_ending={ending} woken_gone={gone} \
             kills={} nats_kills={} stops={} inexact={} overdue={} violations={}",
            self.cycles,
            self.rounds,
            self.requests,
            self.failed,
            self.kills,
            self.nats_kills,
            self.stops.len(),
            self.inexact(),
            self.overdue,
            self.violations.len()
        )
    }
}

/// How numbers are spread.
struct Spread(Vec<i128>);

impl Spread {
    fn of(numbers: &[i128]) -> Self {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        Self(numbers)
    }

    fn part(&self, percent: usize) -> i128 {
        let at = self.0.len().saturating_sub(1) * percent / 100;
        self.0.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, median, most, max] = [0, 50, 99, 100].map(|percent| self.part(percent));
        write!(
            f,
            "min {min} ms, median {median} ms, 99 % {most} ms, max {max} ms"
        )
    }
}
