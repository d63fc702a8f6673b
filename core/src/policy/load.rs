//! How many replicas the requests in flight to a service ask for: more as soon as that lasts for a moment, fewer once it
//! has for a while.
//!
//! Pure: the time comes in with what was counted.

use std::collections::VecDeque;
use std::time::Duration;

use crate::service::Replicas;

/// How long so many have to be in flight until there are more replicas for them.
const RISE: Duration = Duration::from_millis(200);
/// Into how many parts the time is divided in which no more may have been asked for until there are fewer.
const PARTS: u32 = 30;

/// What was counted of one service.
#[derive(Clone, Debug)]
pub struct Load {
    /// How long fewer have to be enough.
    window: Duration,
    /// Since when it is counted.
    since: Option<Duration>,
    /// The counts of the last moment.
    recent: VecDeque<(Duration, u32)>,
    /// The most of each part of the window, with the time at which that began.
    most: VecDeque<(Duration, u32)>,
}

/// How many replicas are wanted, and for how many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How many replicas.
    pub replicas: u32,
    /// How many requests.
    pub in_flight: u32,
}

// === impl Load ===

impl Load {
    /// Nothing was counted yet; fewer replicas are wanted when they were enough for so long.
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            since: None,
            recent: VecDeque::new(),
            most: VecDeque::new(),
        }
    }

    /// Takes in how many are in flight at a time that never goes back. Answers whether that asks for another number of
    /// replicas than `now_wanted`.
    pub fn count(
        &mut self,
        at: Duration,
        in_flight: u32,
        replicas: Replicas,
        now_wanted: u32,
    ) -> Option<Asked> {
        let since = *self.since.get_or_insert(at);
        self.remember(at, in_flight);
        let asked = |in_flight| Asked {
            replicas: replicas.enough_for(in_flight),
            in_flight,
        };
        let lasting = self.recent.iter().map(|(_, count)| *count).min();
        let more = asked(lasting.unwrap_or_default());
        if at.saturating_sub(since) >= RISE && more.replicas > now_wanted {
            return Some(more);
        }
        let most = self.most.iter().map(|(_, count)| *count).max();
        let fewer = asked(most.unwrap_or_default());
        (at.saturating_sub(since) >= self.window && fewer.replicas < now_wanted).then_some(fewer)
    }

    fn remember(&mut self, at: Duration, in_flight: u32) {
        self.recent.push_back((at, in_flight));
        // The newest of those that are older says what was so when the moment began.
        while self
            .recent
            .get(1)
            .is_some_and(|(next, _)| at.saturating_sub(*next) >= RISE)
        {
            self.recent.pop_front();
        }
        let part = self.window / PARTS;
        match self.most.back_mut() {
            Some((began, most)) if at.saturating_sub(*began) < part => {
                *most = (*most).max(in_flight);
            }
            Some(_) | None => self.most.push_back((at, in_flight)),
        }
        while self
            .most
            .get(1)
            .is_some_and(|(next, _)| at.saturating_sub(*next) >= self.window)
        {
            self.most.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    fn replicas(min: u32, max: u32, concurrency: u32) -> Replicas {
        Replicas {
            min,
            max,
            concurrency,
        }
    }

    /// Counts every 100 ms; the number of replicas follows what was asked for.
    fn follow(counts: &[u32], replicas: Replicas, window: Duration) -> Vec<u32> {
        let mut load = Load::new(window);
        let mut wanted = replicas.wanted(None);
        let mut at = Duration::ZERO;
        let mut followed = Vec::new();
        for count in counts {
            if let Some(asked) = load.count(at, *count, replicas, wanted) {
                wanted = asked.replicas;
            }
            followed.push(wanted);
            at += Duration::from_millis(100);
        }
        followed
    }

    #[test]
    fn more_are_wanted_once_a_load_lasts_for_a_moment() {
        let of = replicas(1, 4, 2);
        assert_eq!(follow(&[3, 3, 3, 3], of, WINDOW), [1, 1, 2, 2]);
        let peak = [0, 9, 0, 9, 9, 0];
        assert_eq!(follow(&peak, of, WINDOW), [1; 6], "it was over at once");
        assert_eq!(
            follow(&[99, 99, 99], of, WINDOW),
            [1, 1, 4],
            "no more than may be"
        );
    }

    #[test]
    fn fewer_are_wanted_once_they_were_enough_for_the_whole_window() {
        let mut counts = vec![4; 5];
        counts.extend([1; 700]);
        let followed = follow(&counts, replicas(1, 4, 1), WINDOW);
        let fewer = followed.iter().rposition(|wanted| *wanted == 4).unwrap();
        assert!((590..650).contains(&fewer), "{fewer}");
        assert_eq!(followed.last(), Some(&1));
    }

    #[test]
    fn one_replica_is_never_another_number() {
        assert_eq!(follow(&[500; 50], Replicas::default(), WINDOW), [1; 50]);
    }

    proptest! {
        #[test]
        fn it_stays_between_least_and_most_and_fits_a_load_that_lasts(
            counts in prop::collection::vec(0..200_u32, 0..80),
            last in 0..200_u32,
            min in 0..4_u32, more in 1..8_u32, concurrency in 1..40_u32,
        ) {
            let of = replicas(min, min + more, concurrency);
            let mut all = counts;
            all.extend([last; 40]);
            let followed = follow(&all, of, Duration::from_secs(2));
            for wanted in &followed {
                prop_assert!((min.max(1)..=min + more).contains(wanted));
            }
            prop_assert_eq!(*followed.last().unwrap(), of.enough_for(last));
        }
    }
}
