//! Holding a run still and letting it go on, as the log says. It knows no reason for either.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::{RunError, Running};

/// The first pause before it is tried again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Brings one run to what is wanted, until it is dropped.
#[derive(Debug)]
pub(super) struct Still {
    over: watch::Sender<bool>,
    task: JoinHandle<()>,
}

// === impl Still ===

impl Still {
    /// Keeps a run as `frozen` says. One that was `left` by an earlier start may be either way.
    pub(super) fn keep(running: &Running, frozen: watch::Receiver<bool>, left: bool) -> Self {
        let (over, is_over) = watch::channel(false);
        let is = (!left).then_some(false);
        let task = tokio::spawn(keep(running.clone(), frozen, is_over, is));
        Self { over, task }
    }

    /// Lets the run go on, whatever was wanted, so that it can end; returns once it does.
    pub(super) async fn let_go(mut self) {
        self.over.send_replace(true);
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "run.still");
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    running: Running,
    mut frozen: watch::Receiver<bool>,
    mut over: watch::Receiver<bool>,
    mut is: Option<bool>,
) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let is_over = *over.borrow_and_update();
        let want = *frozen.borrow_and_update() && !is_over;
        if is != Some(want) {
            if let Err(error) = set(&running, want).await {
                tracing::warn!(run = running.name(), want, %error, "run.freeze");
                is = None;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            is = Some(want);
            pause = SHORTEST_PAUSE;
        }
        if is_over {
            return;
        }
        tokio::select! {
            Ok(()) = frozen.changed() => {}
            Ok(()) = over.changed() => {}
            else => return,
        }
    }
}

async fn set(running: &Running, frozen: bool) -> Result<(), RunError> {
    if frozen {
        running.freeze().await
    } else {
        running.thaw().await
    }
}

/// Waits until a run has gone on for `time`, not counting when it was frozen.
pub(super) async fn gone_on_for(mut frozen: watch::Receiver<bool>, time: Duration) {
    let mut left = time;
    loop {
        // Without anybody to say more it stays as it is.
        if frozen.wait_for(|frozen| !*frozen).await.is_err() {
            return std::future::pending().await;
        }
        let clock = Instant::now();
        tokio::select! {
            () = tokio::time::sleep(left) => return,
            Ok(_) = frozen.wait_for(|frozen| *frozen) => {}
        }
        left = left.saturating_sub(clock.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn time_stands_still_for_what_is_frozen() {
        let (freeze, frozen) = watch::channel(true);
        let mut waiting = Box::pin(gone_on_for(frozen, Duration::ZERO));
        assert_eq!(
            (&mut waiting).now_or_never(),
            None,
            "however long it may be"
        );
        freeze.send_replace(false);
        waiting.await;
    }
}
