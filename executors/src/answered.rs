//! What is said to the log is said until it answers.

use std::time::Duration;

use eai_core::log;

/// The first pause before the log is told again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks again while the log is away, or its answer was lost: the command has an id, so it is done once.
pub(crate) async fn until_answered<T, F>(mut ask: impl FnMut() -> F) -> Result<T, log::Error>
where
    F: Future<Output = Result<T, log::Error>>,
{
    let mut pause = SHORTEST_PAUSE;
    loop {
        match ask().await {
            Err(
                error @ (log::Error::Unknown { .. }
                | log::Error::Unavailable(_)
                | log::Error::Contended { .. }
                | log::Error::Reserved { .. }
                | log::Error::Full(_)),
            ) => {
                tracing::warn!(%error, "executor.log_away");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answered => return answered,
        }
    }
}
