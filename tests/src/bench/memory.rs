//! How much memory a process has, as the kernel counts it.

use std::fs;

/// `VmRSS` and `VmHWM` (the peak) of a process in MiB.
pub(crate) fn of(process: &str) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes / 1024)
    };
    (
        read("VmRSS:").unwrap_or_default(),
        read("VmHWM:").unwrap_or_default(),
    )
}

/// Forgets this process's peak.
pub(crate) fn forget_peak() {
    // Where the kernel does not allow it, the peak is that of the whole run.
    fs::write("/proc/self/clear_refs", "5").ok();
}
