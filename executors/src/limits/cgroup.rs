//! The control group of one run.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::Caps;

/// The period over which a share of a core is counted, in microseconds.
const PERIOD: u64 = 100_000;

/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the control group of one run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cgroup {
    V2 {
        folder: PathBuf,
    },
    V1 {
        cpu: PathBuf,
        memory: PathBuf,
        pids: PathBuf,
    },
}

// === impl Cgroup ===

impl Cgroup {
    pub(super) fn create(&self, caps: &Caps) -> io::Result<()> {
        for folder in self.folders() {
            match std::fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        match self {
            Self::V2 { folder } => limit_v2(folder, caps),
            Self::V1 { cpu, memory, pids } => limit_v1(cpu, memory, pids, caps),
        }
    }

    pub(super) fn enter(&self, pid: Pid) -> io::Result<()> {
        for folder in self.folders() {
            put(folder, "cgroup.procs", &pid.as_raw_nonzero())?;
        }
        Ok(())
    }

    /// How many processes the kernel ended for memory.
    pub(super) fn ooms(&self) -> u64 {
        let file = match self {
            Self::V2 { folder } => folder.join("memory.events"),
            Self::V1 { memory, .. } => memory.join("memory.oom_control"),
        };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        for folder in self.folders() {
            while let Err(error) = std::fs::remove_dir(folder) {
                match error.kind() {
                    io::ErrorKind::NotFound => break,
                    io::ErrorKind::ResourceBusy if Instant::now() < until => {
                        kill(folder);
                        // The kernel tells nobody when a group of version 1 is empty.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    _ => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn folders(&self) -> Vec<&Path> {
        match self {
            Self::V2 { folder } => vec![folder],
            // The group that counts memory goes last: its counters are read until then.
            Self::V1 { cpu, memory, pids } => vec![pids, cpu, memory],
        }
    }
}

/// Ends every process in a group.
fn kill(folder: &Path) {
    let pids = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|line| line.parse().ok()) {
        if let Some(pid) = Pid::from_raw(pid) {
            // It may be gone already; who asked looks whether the group is empty.
            rustix::process::kill_process(pid, Signal::KILL).ok();
        }
    }
}

fn limit_v2(folder: &Path, caps: &Caps) -> io::Result<()> {
    if caps.cpu_milli > 0 {
        put(folder, "cpu.max", &format!("{} {PERIOD}", quota(caps)))?;
    }
    if caps.memory_bytes > 0 {
        put(folder, "memory.max", &caps.memory_bytes)?;
        put(folder, "memory.oom.group", &1)?;
        put_where_there(folder, "memory.swap.max", &0)?;
    }
    if caps.pids > 0 {
        put(folder, "pids.max", &caps.pids)?;
    }
    Ok(())
}

fn limit_v1(cpu: &Path, memory: &Path, pids: &Path, caps: &Caps) -> io::Result<()> {
    if caps.cpu_milli > 0 {
        put(cpu, "cpu.cfs_period_us", &PERIOD)?;
        put(cpu, "cpu.cfs_quota_us", &quota(caps))?;
    }
    if caps.memory_bytes > 0 {
        put(memory, "memory.limit_in_bytes", &caps.memory_bytes)?;
        // With swap; it may not be less than the limit without.
        put_where_there(memory, "memory.memsw.limit_in_bytes", &caps.memory_bytes)?;
    }
    if caps.pids > 0 {
        put(pids, "pids.max", &caps.pids)?;
    }
    Ok(())
}

/// Microseconds of a core in each period; the kernel takes no less than 1,000.
fn quota(caps: &Caps) -> u64 {
    (caps.cpu_milli.saturating_mul(PERIOD) / 1000).max(1000)
}

fn put(folder: &Path, file: &str, value: &impl ToString) -> io::Result<()> {
    let path = folder.join(file);
    std::fs::write(&path, value.to_string()).map_err(|error| {
        let told = format!("failed to write {}: {error}", path.display());
        io::Error::new(error.kind(), told)
    })
}

fn put_where_there(folder: &Path, file: &str, value: &impl ToString) -> io::Result<()> {
    if folder.join(file).exists() {
        put(folder, file, value)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps {
        cpu_milli: 1500,
        memory_bytes: 64 << 20,
        pids: 512,
    };

    fn read(folder: &Path, file: &str) -> String {
        std::fs::read_to_string(folder.join(file)).unwrap()
    }

    #[test]
    fn version_2_gets_its_files() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run");
        Cgroup::V2 {
            folder: folder.clone(),
        }
        .create(&CAPS)
        .unwrap();
        assert_eq!(read(&folder, "cpu.max"), "150000 100000");
        assert_eq!(read(&folder, "memory.max"), "67108864");
        assert_eq!(read(&folder, "memory.oom.group"), "1");
        assert_eq!(read(&folder, "pids.max"), "512");
    }

    #[test]
    fn the_kernel_tells_how_many_it_ended() {
        let root = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::V2 {
            folder: root.path().to_owned(),
        };
        assert_eq!(cgroup.ooms(), 0);
        std::fs::write(root.path().join("memory.events"), "oom 3\noom_kill 2\n").unwrap();
        assert_eq!(cgroup.ooms(), 2);
    }

    #[test]
    fn a_share_is_never_too_small_for_the_kernel() {
        let caps = Caps {
            cpu_milli: 1,
            ..CAPS
        };
        assert_eq!(quota(&caps), 1000);
    }
}
