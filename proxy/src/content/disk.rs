//! Room on the disk under the store: a server that finds none answers nothing any more, so it is looked at before.

use std::fmt;
use std::path::PathBuf;

use rustix::fs::statvfs;

/// What stays free for the log and for what runs: a part of the disk, and no more than this.
const MOST_KEPT: u64 = 512 << 20;
/// Which part.
const PART: u64 = 20;

/// The disk that the store is on.
#[derive(Clone, Debug)]
pub(crate) struct Disk(pub(crate) PathBuf);

/// The disk has no room for a content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct DiskFull {
    bytes: u64,
    free: u64,
    kept: u64,
}

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, free, kept } = self;
        write!(
            f,
            "the platform's disk has no room for {bytes} bytes more: {free} are free, and {kept} are kept for the \
             event log and what runs. Make room on it, then push again"
        )
    }
}

impl Disk {
    /// Whether a content fits. A disk that cannot be asked is believed to have room.
    pub(crate) fn room(&self, bytes: u64) -> Result<(), DiskFull> {
        let Ok(disk) = statvfs(&self.0) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let kept = (disk.f_blocks.saturating_mul(disk.f_frsize) / PART).min(MOST_KEPT);
        fits(bytes, free, kept)
    }
}

fn fits(bytes: u64, free: u64, kept: u64) -> Result<(), DiskFull> {
    if bytes.saturating_add(kept) <= free {
        Ok(())
    } else {
        Err(DiskFull { bytes, free, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_room_is_kept() {
        assert_eq!(fits(10, 110, 100), Ok(()));
        let full = fits(11, 110, 100).unwrap_err();
        assert!(full.to_string().contains("11 bytes more"), "{full}");
        assert!(fits(u64::MAX, 10, 1).is_err());
    }

    #[test]
    fn this_disk_has_room_for_nothing_at_all() {
        let disk = Disk(std::env::temp_dir());
        assert_eq!(disk.room(0).is_ok(), disk.room(1).is_ok());
        assert!(disk.room(u64::MAX).is_err());
        assert_eq!(Disk("/nowhere/at/all".into()).room(u64::MAX), Ok(()));
    }
}
