//! The time that a request's head may take, on one timer for all heads of a connection.
//!
//! The server asks for a new timer with each head, and to put one into the runtime's wheel and take it out again costs
//! more than reading the head.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::deadline::Deadline;

/// The timer of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadTimer {
    deadline: Arc<Mutex<Deadline>>,
}

/// One head's time.
struct HeadSleep {
    deadline: Arc<Mutex<Deadline>>,
    until: tokio::time::Instant,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadSleep {
            deadline: Arc::clone(&self.deadline),
            until: deadline.into(),
        })
    }
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // One task polls a connection, so nobody waits here.
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.poll(cx, self.until)
    }
}

impl Sleep for HeadSleep {}
