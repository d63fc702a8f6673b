//! When to try again: exponential backoff with a cap, jitter and a budget. Pure.

use std::time::Duration;

/// The longest first wait; later ones double.
const FIRST: Duration = Duration::from_millis(100);
/// No wait is longer: a platform that is back should be noticed.
const LONGEST: Duration = Duration::from_secs(3);

/// How long to go on trying.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// From the first try; zero never tries again.
    pub(super) budget: Duration,
}

// === impl Policy ===

impl Policy {
    /// How long to wait before the next try, or `None` to give up.
    ///
    /// `failures` is how many tries failed, `elapsed` the time since the first began, `asked` what
    /// the platform asked for, and `jitter` a random number from 0 to 1. The last try comes
    /// right at the end of the budget.
    pub(super) fn wait(
        self,
        failures: u32,
        elapsed: Duration,
        asked: Option<Duration>,
        jitter: f64,
    ) -> Option<Duration> {
        let left = self
            .budget
            .checked_sub(elapsed)
            .filter(|left| !left.is_zero())?;
        let doublings = failures.saturating_sub(1).min(16);
        let ceiling = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        // Half of it is fixed, so that a wait is never nothing.
        let wait = ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        Some(wait.max(asked.unwrap_or_default()).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        budget: Duration::from_secs(30),
    };

    fn wait(failures: u32, elapsed: f64, asked: Option<u64>, jitter: f64) -> Option<f64> {
        POLICY
            .wait(
                failures,
                Duration::from_secs_f64(elapsed),
                asked.map(Duration::from_secs),
                jitter,
            )
            .map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<f64> = (1..8)
            .map(|failures| wait(failures, 0.0, None, 1.0).unwrap())
            .collect();
        assert_eq!(waits, [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0]);
        assert_eq!(wait(u32::MAX, 0.0, None, 1.0), Some(3.0));
    }

    #[test]
    fn jitter_takes_away_up_to_half() {
        assert_eq!(wait(3, 0.0, None, 0.0), Some(0.2));
        assert_eq!(wait(3, 0.0, None, 0.5), Some(0.3));
    }

    #[test]
    fn the_platform_can_ask_for_more_time() {
        assert_eq!(wait(1, 0.0, Some(7), 1.0), Some(7.0));
        assert_eq!(wait(6, 0.0, Some(1), 1.0), Some(3.0));
    }

    #[test]
    fn no_wait_goes_past_the_budget_and_then_it_is_over() {
        assert_eq!(wait(9, 29.5, Some(60), 1.0), Some(0.5));
        assert_eq!(wait(9, 30.0, None, 1.0), None);
        assert_eq!(wait(9, 31.0, None, 1.0), None);
    }

    #[test]
    fn no_budget_is_no_second_try() {
        let policy = Policy {
            budget: Duration::ZERO,
        };
        assert_eq!(policy.wait(1, Duration::ZERO, None, 0.5), None);
    }
}
