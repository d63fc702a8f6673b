//! What is in flight to one run: counted by whoever takes a request there, so that the run can be left in peace.
//!
//! A request costs one addition and one subtraction; nobody waits for anybody, and nothing is said to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// No more are let in.
const CLOSED: usize = 1;
/// Those that are there have to end.
const OVER: usize = 2;
/// One of them.
const ONE: usize = 4;

/// The requests, streams and upgrades of one run.
#[derive(Debug, Default)]
pub struct Flights {
    /// The two flags, and above them how many there are.
    state: AtomicUsize,
    quiet: Notify,
    over: Arc<Notify>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Flight {
    flights: Arc<Flights>,
}

// === impl Flights ===

impl Flights {
    /// One more, unless no more are let in.
    ///
    /// Whoever closes sees all that were let in before: both sides change one number.
    pub fn enter(self: &Arc<Self>) -> Option<Flight> {
        let before = self.state.fetch_add(ONE, Ordering::SeqCst);
        let flight = Flight {
            flights: Arc::clone(self),
        };
        (before & CLOSED == 0).then_some(flight)
    }

    /// One more, though it be closed: for those who ask for this very run.
    pub fn join(self: &Arc<Self>) -> Flight {
        self.state.fetch_add(ONE, Ordering::SeqCst);
        Flight {
            flights: Arc::clone(self),
        }
    }

    /// Lets no more in.
    pub fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::SeqCst);
    }

    /// Tells those that are there to end.
    pub fn end(&self) {
        self.state.fetch_or(CLOSED | OVER, Ordering::SeqCst);
        self.over.notify_waiters();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.state.load(Ordering::SeqCst) / ONE
    }

    /// Waits until there is none; only of use once it is closed.
    pub async fn quiet(&self) {
        crate::log::live::until(&self.quiet, || (self.count() == 0).then_some(())).await;
    }
}

// === impl Flight ===

impl Flight {
    /// Whether it has to end.
    pub fn is_over(&self) -> bool {
        self.flights.state.load(Ordering::Acquire) & OVER != 0
    }

    /// Is told when it has to end. It may have to already: look after the first poll.
    pub fn over(&self) -> OwnedNotified {
        Arc::clone(&self.flights.over).notified_owned()
    }

    /// Waits until it has to end.
    pub async fn until_over(&self) {
        let flights = &self.flights;
        crate::log::live::until(&flights.over, || self.is_over().then_some(())).await;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let before = self.flights.state.fetch_sub(ONE, Ordering::SeqCst);
        if before & CLOSED != 0 && before / ONE == 1 {
            self.flights.quiet.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_quiet_once_the_last_one_is_gone() {
        let flights = Arc::new(Flights::default());
        let (first, second) = (flights.enter().unwrap(), flights.enter().unwrap());
        flights.close();
        assert!(flights.enter().is_none());
        assert_eq!(flights.count(), 2, "who was not let in does not count");
        drop(first);
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.quiet().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn who_is_there_is_told_to_end() {
        let flights = Arc::new(Flights::default());
        let flight = flights.enter().unwrap();
        let waiting = tokio::spawn(async move { flight.until_over().await });
        tokio::task::yield_now().await;
        flights.end();
        waiting.await.unwrap();
        flights.quiet().await;
        assert!(flights.join().is_over(), "who comes later is told as well");
    }

    #[test]
    fn whoever_closes_sees_all_that_were_let_in() {
        for _ in 0..200 {
            let flights = Arc::new(Flights::default());
            let other = Arc::clone(&flights);
            let enters = std::thread::spawn(move || other.enter());
            flights.close();
            let seen = flights.count();
            let entered = enters.join().unwrap();
            assert!(entered.is_none() || seen == 1 || flights.count() == 1);
        }
    }
}
