//! What came of it.

use std::fmt;
use std::time::Duration;

/// What the honest client noticed, and what the others got.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many clients said nothing.
    pub silent: usize,
    /// How many of those were never ended.
    pub left: usize,
    /// How many guesses there were, and how many were not refused.
    pub guesses: (usize, usize),
    /// How many names and paths were sent that are none.
    pub mischief: usize,
    /// Honest requests that were not answered 200.
    pub failed: usize,
    /// All of them.
    pub honest: usize,
    /// The slowest hundredth of honest requests, alone and among the others.
    pub p99: (Duration, Duration),
    /// Secrets and other people's bytes that were found where they do not belong, and hostile names that did something.
    pub leaks: Vec<String>,
}

// === impl Report ===

impl Report {
    pub(super) fn refused(&mut self, status: u16) {
        self.honest += 1;
        self.failed += usize::from(status != 200);
    }

    pub(super) fn measured(&mut self, calm: Vec<Duration>, among: Vec<Duration>) {
        self.p99 = (p99(calm), p99(among));
    }

    /// Whether nothing is wrong. How slow something was is for those who read it.
    pub fn is_clean(&self) -> bool {
        self.left == 0 && self.guesses.1 == 0 && self.failed == 0 && self.leaks.is_empty()
    }
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let at = times.len().saturating_sub(1) * 99 / 100;
    times.get(at).copied().unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calm, among) = self.p99;
        let ratio = among.as_secs_f64() / calm.as_secs_f64().max(f64::MIN_POSITIVE);
        writeln!(
            f,
            "{} silent clients, {} never ended; {} guesses, {} not refused; {} bad names; {} of {} honest requests failed",
            self.silent,
            self.left,
            self.guesses.0,
            self.guesses.1,
            self.mischief,
            self.failed,
            self.honest
        )?;
        for leak in &self.leaks {
            writeln!(f, "wrong: {leak}")?;
        }
        write!(
            f,
            "p99 of honest requests: {calm:.1?} alone, {among:.1?} among them, {ratio:.2} times"
        )
    }
}
