//! The threads that connections live on, each with a runtime and a state of its own. It knows no HTTP.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The threads. Dropping it ends them, and whatever still runs there.
#[derive(Debug)]
pub(super) struct Threads<S> {
    threads: Vec<Thread<S>>,
    stop: CancellationToken,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Thread<S> {
    pub(super) handle: Handle,
    pub(super) state: Arc<S>,
    seats: Arc<()>,
}

/// Makes a thread busier, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    _seat: Arc<()>,
}

// === impl Threads ===

impl<S> Threads<S> {
    /// Starts at least one, each with a state from `state`.
    pub(super) fn start(count: usize, state: impl Fn() -> S) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let threads = (0..count.max(1)).map(|number| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let stopped = stop.clone();
            thread::Builder::new()
                .name(format!("http-{number}"))
                .spawn(move || runtime.block_on(stopped.cancelled()))?;
            Ok(Thread {
                handle,
                state: Arc::new(state()),
                seats: Arc::default(),
            })
        });
        let threads: io::Result<Vec<_>> = threads.collect();
        if threads.is_err() {
            stop.cancel();
        }
        let threads = threads?;
        Ok(Self { threads, stop })
    }

    /// The one with the fewest seats taken, and one more of them.
    pub(super) fn least_busy(&self) -> (&Thread<S>, Seat) {
        let thread = self
            .threads
            .iter()
            .min_by_key(|thread| Arc::strong_count(&thread.seats))
            .unwrap_or(&self.threads[0]);
        let seat = Seat {
            _seat: Arc::clone(&thread.seats),
        };
        (thread, seat)
    }
}

impl<S> Drop for Threads<S> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_fewest_gets_the_next() {
        let threads = Threads::start(2, || ()).unwrap();
        let first = threads.least_busy();
        let second = threads.least_busy();
        assert!(!std::ptr::eq(first.0, second.0));
        drop(second.1);
        let third = threads.least_busy();
        assert!(std::ptr::eq(second.0, third.0));
    }

    #[tokio::test]
    async fn what_runs_there_ends_with_them() {
        let threads = Threads::start(0, || ()).unwrap();
        let (thread, _seat) = threads.least_busy();
        let running = thread.handle.spawn(std::future::pending::<()>());
        drop(threads);
        assert!(running.await.unwrap_err().is_cancelled());
    }
}
