//! Waiting for a condition, with a deadline and the last thing seen.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long anything may take on a slow, busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a condition is looked at that nothing announces.
const INTERVAL: Duration = Duration::from_millis(10);

/// Asks until the answer is `Ok`; fails with the last `Err`.
#[track_caller]
pub fn until<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(value) => return value,
            Err(last) if start.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}; last seen: {last:?}")
            }
            Err(_) => std::thread::park_timeout(INTERVAL),
        }
    }
}

/// Awaits something that must end.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

/// Asks until the answer is `Ok`, in a task; fails with the last `Err`.
pub async fn until_async<T, E: Debug>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(last) if start.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}; last seen: {last:?}")
            }
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
