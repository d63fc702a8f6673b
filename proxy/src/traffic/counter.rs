//! The counts of each service. Nothing here waits, locks or asks anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::time::{SystemTime, UNIX_EPOCH};

use eai_core::ids::ServiceId;
use papaya::HashMap;
use tokio::sync::mpsc::Sender;

/// What is open to one service, and when the last byte passed.
#[derive(Debug, Default)]
pub(super) struct Counter {
    open: AtomicU32,
    /// In milliseconds since 1970.
    last: AtomicU64,
    /// The log was told, or is just told, that nothing is open: whoever comes next wakes the teller.
    told: AtomicBool,
}

/// All counters.
#[derive(Debug)]
pub(super) struct Counters {
    counters: HashMap<ServiceId, Arc<Counter>>,
    wake: Sender<ServiceId>,
}

/// Something that is open to a service. It ends when this is dropped.
#[derive(Debug)]
pub struct Open(Arc<Counter>);

/// Now, in milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

// === impl Counters ===

impl Counters {
    pub(super) fn new(wake: Sender<ServiceId>) -> Self {
        Self {
            counters: HashMap::new(),
            wake,
        }
    }

    /// A service's counter; a new one begins with `last`.
    pub(super) fn of(&self, service: ServiceId, last: u64) -> Arc<Counter> {
        let counters = self.counters.pin();
        let counter = counters.get_or_insert_with(service, || {
            let counter = Counter::default();
            counter.last.store(last, Ordering::Relaxed);
            Arc::new(counter)
        });
        Arc::clone(counter)
    }

    /// How much is open to a service.
    pub(super) fn open(&self, service: ServiceId) -> u32 {
        let counters = self.counters.pin();
        counters.get(&service).map_or(0, |counter| counter.open())
    }

    pub(super) fn enter(&self, service: ServiceId) -> Option<Open> {
        let counter = Arc::clone(self.counters.pin().get(&service)?);
        let (open, woken) = Open::begin(counter);
        if woken && self.wake.try_send(service).is_err() {
            // Whoever comes next wakes it.
            open.0.told.store(true, Ordering::SeqCst);
        }
        Some(open)
    }

    pub(super) fn enter_new(&self, service: ServiceId) -> Open {
        let (open, _) = Open::begin(self.of(service, now()));
        if self.wake.try_send(service).is_err() {
            tracing::debug!(%service, "traffic.wake: the log's word of it brings the teller there");
        }
        open
    }
}

// === impl Counter ===

impl Counter {
    /// How much is open. Who asks after a change of the routes misses nobody who went by the routes before it.
    pub(super) fn open(&self) -> u32 {
        fence(Ordering::SeqCst);
        self.open.load(Ordering::SeqCst)
    }

    /// When the last byte passed: now, while something is open.
    pub(super) fn last(&self) -> u64 {
        if self.open() > 0 {
            return now();
        }
        self.last.load(Ordering::Acquire)
    }

    /// The last byte did not pass before this.
    pub(super) fn raise(&self, last: u64) {
        self.last.fetch_max(last, Ordering::AcqRel);
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Whoever comes next wakes the teller from now on; false where somebody came just before.
    pub(super) fn tell(&self) -> bool {
        self.told.store(true, Ordering::SeqCst);
        if self.open() == 0 {
            return true;
        }
        self.told.store(false, Ordering::SeqCst);
        false
    }

    pub(super) fn take_back(&self) {
        self.told.store(false, Ordering::SeqCst);
    }
}

// === impl Open ===

impl Open {
    /// Counts before its caller looks for a route. True where the log was told that nobody comes.
    fn begin(counter: Arc<Counter>) -> (Self, bool) {
        counter.open.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let woken =
            counter.told.load(Ordering::Relaxed) && counter.told.swap(false, Ordering::SeqCst);
        (Self(counter), woken)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.last.store(now(), Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use super::*;

    const SERVICE: ServiceId = ServiceId(Uuid::from_u128(1));

    #[test]
    fn what_is_open_is_counted_until_it_ends() {
        let (wake, mut woken) = mpsc::channel(8);
        let counters = Counters::new(wake);
        assert!(counters.enter(SERVICE).is_none(), "nobody heard of it");
        let counter = counters.of(SERVICE, 5);
        assert_eq!((counter.open(), counter.last()), (0, 5));
        let before = now();
        let both = [
            counters.enter(SERVICE).unwrap(),
            counters.enter_new(SERVICE),
        ];
        assert_eq!(counter.open(), 2);
        assert!(counter.last() >= before, "a byte may pass at any time");
        assert!(!counter.tell(), "something is open");
        drop(both);
        assert_eq!(counter.open(), 0);
        assert!(counter.last() >= before);
        assert_eq!(woken.try_recv(), Ok(SERVICE), "it is new to the teller");
        assert!(woken.try_recv().is_err());
    }

    #[test]
    fn the_first_one_after_quiet_wakes_the_teller() {
        let (wake, mut woken) = mpsc::channel(8);
        let counters = Counters::new(wake);
        let counter = counters.of(SERVICE, 5);
        assert!(counter.tell());
        let first = counters.enter(SERVICE);
        let second = counters.enter(SERVICE);
        assert_eq!(woken.try_recv(), Ok(SERVICE));
        assert!(woken.try_recv().is_err(), "once");
        drop((first, second));
        assert!(!counter.is_told());
    }
}
