//! Places where a test may end or hold the process, to show that what is in between survives it; and guards that
//! it may break, to show that it would be noticed.
//!
//! Without the feature `sabotage` there is nothing here.

/// The variable that names the place: `NAME` ends the process there, `NAME=FILE` makes FILE and holds the
/// thread until it is removed. Each happens once in a process.
pub const VARIABLE: &str = "EAI_FAIL_POINT";

/// The variable that names a guard to break.
pub const SABOTAGE: &str = "EAI_SABOTAGE";

/// The guard that a run which was claimed is not claimed again.
pub const NO_CLAIM: &str = "no-claim";

/// The guard that an outcome counts only for the attempt of its task that is under way.
pub const NO_ATTEMPT: &str = "no-attempt";

/// The guard that a run which requests were moved away from is done with those it had before it ends.
pub const NO_DRAIN: &str = "no-drain";

/// Whether a guard is broken.
#[cfg(not(feature = "sabotage"))]
pub fn is_broken(_guard: &str) -> bool {
    false
}

/// Whether a guard is broken.
#[cfg(feature = "sabotage")]
#[expect(
    clippy::disallowed_methods,
    reason = "a test breaks the guard from outside, and nothing else is told of it"
)]
pub fn is_broken(guard: &str) -> bool {
    std::env::var(SABOTAGE).is_ok_and(|broken| broken == guard)
}

/// Marks a place.
#[cfg(not(feature = "sabotage"))]
pub fn reach(_name: &str) {}

/// Marks a place.
#[cfg(feature = "sabotage")]
#[expect(
    clippy::disallowed_methods,
    reason = "a test sets the place up from outside, and nothing else is told of it"
)]
pub fn reach(name: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static REACHED: AtomicBool = AtomicBool::new(false);

    let Ok(wanted) = std::env::var(VARIABLE) else {
        return;
    };
    let (place, file) = match wanted.split_once('=') {
        Some((place, file)) => (place, Some(std::path::Path::new(file))),
        None => (wanted.as_str(), None),
    };
    if place != name || REACHED.swap(true, Ordering::SeqCst) {
        return;
    }
    let Some(file) = file else {
        std::process::abort();
    };
    if std::fs::write(file, name).is_ok() {
        hold(|| {
            while file.exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
    }
}

/// Holds who got here, and nobody else: what waits for the same thread goes on elsewhere, where it can.
#[cfg(feature = "sabotage")]
fn hold(wait: impl FnOnce()) {
    use tokio::runtime::{Handle, RuntimeFlavor};

    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        Ok(_) | Err(_) => wait(),
    }
}
