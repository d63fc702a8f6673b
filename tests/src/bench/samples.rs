//! What a series of measurements says: percentiles, medians over turns, ratios within a turn.

use std::time::Duration;

/// The latencies of one kind, turn by turn.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: Vec<Vec<Duration>>,
}

impl Turns {
    pub(crate) fn add(&mut self, mut latencies: Vec<Duration>) {
        latencies.sort_unstable();
        self.turns.push(latencies);
    }

    /// The median over the turns of a percentile within each.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut all = self.percentiles(percent);
        all.sort_unstable();
        all[all.len() / 2]
    }

    /// The median of the turns' ratios to the same turn of another kind.
    pub(crate) fn ratio(&self, other: &Self, percent: usize) -> f64 {
        let own = self.percentiles(percent);
        let pairs = own.iter().zip(other.percentiles(percent));
        median(pairs.map(|(own, other)| own.as_secs_f64() / other.as_secs_f64()))
    }

    fn percentiles(&self, percent: usize) -> Vec<Duration> {
        let at = |turn: &Vec<Duration>| turn[(turn.len() - 1) * percent / 100];
        self.turns.iter().map(at).collect()
    }
}

/// The middle one.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Milliseconds, for a table.
pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1000.0)
}
