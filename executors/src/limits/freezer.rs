//! The kernel's switch that holds every process of one control group still.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::find::Mount;

/// How often it is looked whether the kernel is done.
const LOOKS: u32 = 100;
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// The switch of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Freezer {
    /// A folder of version 2.
    V2(PathBuf),
    /// A folder of the controller `freezer` of version 1.
    V1(PathBuf),
}

// === impl Freezer ===

impl Freezer {
    /// The one of the group that a process is in. None where this process cannot reach it, or the group's name does
    /// not contain `mark`: others may be in it.
    pub(crate) fn of(pid: i64, mark: &str) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let found = candidates(&mounts, &groups).into_iter();
        let mut found = found.filter(|found| {
            let name = found.folder().file_name().unwrap_or_default();
            name.to_string_lossy().contains(mark)
        });
        found.find(|found| {
            let opened = std::fs::OpenOptions::new().write(true).open(found.switch());
            opened.is_ok()
        })
    }

    /// Holds the group still, or lets it go on; returns once it is so. Nothing happens to one that is gone.
    pub(crate) fn set(&self, frozen: bool) -> io::Result<()> {
        let word = match (self, frozen) {
            (Self::V2(_), true) => "1",
            (Self::V2(_), false) => "0",
            (Self::V1(_), true) => "FROZEN",
            (Self::V1(_), false) => "THAWED",
        };
        for _ in 0..LOOKS {
            // Version 1 takes it up again where it was written twice.
            match std::fs::write(self.switch(), word) {
                Err(error) if is_gone(&error) => return Ok(()),
                written => written?,
            }
            match self.is_frozen() {
                Ok(is) if is == frozen => return Ok(()),
                Ok(_) => std::thread::sleep(PAUSE),
                Err(error) if is_gone(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let told = format!(
            "the kernel did not take {word} in {}",
            self.switch().display()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, told))
    }

    fn is_frozen(&self) -> io::Result<bool> {
        Ok(match self {
            Self::V2(folder) => {
                let events = std::fs::read_to_string(folder.join("cgroup.events"))?;
                events.lines().any(|line| line == "frozen 1")
            }
            // While it is at it, it says `FREEZING`.
            Self::V1(_) => std::fs::read_to_string(self.switch())?.trim() == "FROZEN",
        })
    }

    fn folder(&self) -> &Path {
        match self {
            Self::V2(folder) | Self::V1(folder) => folder,
        }
    }

    fn switch(&self) -> PathBuf {
        match self {
            Self::V2(folder) => folder.join("cgroup.freeze"),
            Self::V1(folder) => folder.join("freezer.state"),
        }
    }
}

fn candidates(mountinfo: &str, groups: &str) -> Vec<Freezer> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
    let v1 = mounts.iter().find_map(|mount| mount.v1("freezer", groups));
    let unified = mounts.iter().find(|mount| mount.kind == "cgroup2");
    let v2 = unified.and_then(|mount| mount.own_v2(groups));
    let v1 = v1.map(Freezer::V1);
    v1.into_iter().chain(v2.map(Freezer::V2)).collect()
}

fn is_gone(error: &io::Error) -> bool {
    // The kernel says so of a group that is removed while it is written.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ENODEV)
}

const ENODEV: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_of_a_container_is_found_in_both_versions() {
        let mounts = "31 1 0:26 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
                      32 1 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let groups = "6:freezer:/docker/abc\n0::/docker/abc\n";
        let found = candidates(mounts, groups);
        let v1 = Freezer::V1("/sys/fs/cgroup/freezer/docker/abc".into());
        let v2 = Freezer::V2("/sys/fs/cgroup/unified/docker/abc".into());
        assert_eq!(found, [v1, v2]);
    }

    #[test]
    fn a_group_that_others_share_is_left_alone() {
        let own = i64::from(std::process::id());
        assert_eq!(Freezer::of(own, "0123456789abcdef"), None);
    }

    #[test]
    fn nothing_happens_to_a_group_that_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let gone = root.path().join("gone");
        assert!(Freezer::V2(gone.clone()).set(true).is_ok());
        assert!(Freezer::V1(gone).set(false).is_ok());
    }

    #[test]
    fn it_is_looked_whether_the_kernel_did_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().to_owned();
        std::fs::write(folder.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        let freezer = Freezer::V2(folder);
        assert!(freezer.set(false).is_ok());
        let refused = freezer.set(true).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }
}
