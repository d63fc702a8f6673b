//! A deadline that is moved with every request, and hardly ever met. It knows nothing of what it bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that costs nothing to move: its timer runs to an older one, and is set anew when that is over.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl Deadline ===

impl Deadline {
    /// Ready once `until` is over; the task may be woken before.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, until: Instant) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_is_met_where_it_was_moved_to() {
        let mut deadline = Deadline::default();
        let now = Instant::now();
        let (soon, late) = (
            now + Duration::from_millis(20),
            now + Duration::from_hours(1),
        );
        let polled = poll_fn(|cx| Poll::Ready(deadline.poll(cx, late))).await;
        assert!(polled.is_pending(), "it is an hour away");
        poll_fn(|cx| deadline.poll(cx, soon)).await;
        assert!(Instant::now() >= soon);
        let polled = poll_fn(|cx| Poll::Ready(deadline.poll(cx, late))).await;
        assert!(polled.is_pending(), "it can be moved on");
    }
}
