//! How often a caller may ask the API: a bucket for each, so that one that runs wild leaves the others their share.
//!
//! Requests to services do not come through here.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::Who;

/// For how many seconds a caller that was silent may ask at once.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("more than none");
/// How many buckets there may be until those are dropped that are full again.
const MANY: usize = 10_000;

type Buckets = RateLimiter<Who, HashMapStateStore<Who>, MonotonicClock, NoOpMiddleware<Instant>>;

/// What each caller has left.
#[derive(Debug)]
pub struct Rates {
    buckets: Buckets,
}

// === impl Rates ===

impl Rates {
    /// So many requests a second for each caller, and ten times as many at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(BURST));
        let store = HashMapStateStore::default();
        Self {
            buckets: RateLimiter::new(quota, store, MonotonicClock),
        }
    }

    /// Takes one from the caller's bucket; else how long it has to wait.
    pub(crate) fn admit(&self, who: Who) -> Result<(), Duration> {
        if self.buckets.len() > MANY {
            self.buckets.retain_recent();
        }
        let taken = self.buckets.check_key(&who);
        taken.map_err(|full| full.wait_time_from(self.buckets.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use eai_core::ids::UserId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_caller_has_a_bucket_of_its_own() {
        let rates = Rates::new(NonZeroU32::MIN);
        let who = |number| Who::User(UserId(Uuid::from_u128(number)));
        let taken = |number| {
            (0..=BURST.get())
                .filter(|_| rates.admit(who(number)).is_ok())
                .count()
        };
        assert_eq!(taken(1), 10);
        assert_eq!(taken(2), 10);
        let wait = rates.admit(who(1)).unwrap_err();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(2),
            "{wait:?}"
        );
    }
}
