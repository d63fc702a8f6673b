//! What the runs of a platform leave on this machine: folders, processes, control groups.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::until;

/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Everything that belongs to runs of one data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Folders of runs.
    pub folders: Vec<PathBuf>,
    /// Shims, and every process below them.
    pub processes: Vec<i32>,
    /// Control groups.
    pub cgroups: Vec<PathBuf>,
    /// Mounts of this machine's that lie in the directory.
    pub mounts: Vec<String>,
    /// Containers, by their ids.
    pub containers: Vec<String>,
}

impl Leftovers {
    /// Looks for them.
    pub fn of(data: &Path) -> Self {
        let runs = data.join("runs");
        let folders = [runs.clone(), data.join("workers")];
        let entries = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok());
        let entries = entries.flatten().flatten();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let ours = |line: &&str| data.to_str().is_some_and(|data| line.contains(data));
        Self {
            folders: entries.map(|entry| entry.path()).collect(),
            processes: processes(data),
            cgroups: cgroups(&runs),
            mounts: mounts.lines().filter(ours).map(str::to_owned).collect(),
            containers: Vec::new(),
        }
    }

    /// How many runs there are something of.
    pub fn runs(&self) -> usize {
        self.folders.len() + self.containers.len()
    }

    /// How much CPU time all processes of the runs have used so far, in the kernel's ticks.
    pub fn cpu_ticks(&self) -> u64 {
        let of_containers = members(&self.containers).into_iter();
        of_containers
            .chain(self.processes.iter().copied())
            .filter_map(cpu_ticks)
            .sum()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Ends every run of a platform that is no more, and removes its control groups.
pub(crate) fn clear(data: &Path) {
    let runs = data.join("runs");
    // A sandbox ends with its shim; what is asked twice is gone.
    until("the runs to be gone", || {
        let left = processes(data);
        for pid in left.iter().copied().filter_map(Pid::from_raw) {
            kill_process(pid, Signal::KILL).ok();
        }
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    for cgroup in cgroups(&runs) {
        // One that is in use belongs to what ends at this moment.
        fs::remove_dir(cgroup).ok();
    }
}

/// Workers that have a word of their own on their command lines, wherever they run.
pub(crate) fn marked(mark: &str) -> Vec<i32> {
    let is_marked = |line: &str| {
        let mut words = line.split('\0');
        let is_python = words.next().is_some_and(|word| word.ends_with("python3"));
        is_python && words.any(|word| word == mark)
    };
    let all = all_processes().into_iter();
    all.filter(|(.., line)| is_marked(line))
        .map(|(pid, ..)| pid)
        .collect()
}

/// The shims of the runs of one data directory.
pub(crate) fn shims(data: &Path) -> Vec<i32> {
    let all = all_processes().into_iter();
    all.filter(|(.., line)| is_shim(data, line))
        .map(|(pid, ..)| pid)
        .collect()
}

/// The processes in containers.
fn members(containers: &[String]) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_member = |pid: &i32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        containers.iter().any(|id| groups.contains(id))
    };
    if containers.is_empty() {
        return Vec::new();
    }
    pids.filter(is_member).collect()
}

/// What a process has used, in user and kernel mode; none where it is gone.
fn cpu_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

/// The processes of shims: of each its own id and those below it.
fn processes(data: &Path) -> Vec<i32> {
    let all = all_processes();
    let shims = all.iter().filter(|(.., line)| is_shim(data, line));
    let mut found: Vec<i32> = shims.map(|(pid, ..)| *pid).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let below = all.iter().filter(|(_, of, _)| *of == parent);
        found.extend(below.map(|(pid, ..)| *pid));
        next += 1;
    }
    found
}

fn is_shim(data: &Path, line: &str) -> bool {
    let Some(data) = data.to_str() else {
        return false;
    };
    let (runs, workers) = (format!("{data}/runs/"), format!("{data}/workers/"));
    line.contains("\0shim\0") && (line.contains(&runs) || line.contains(&workers))
}

/// Every process of this machine that lives: its id, its parent's and its command line.
fn all_processes() -> Vec<(i32, i32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, parent) = (rest.next(), rest.next());
        let parent: i32 = parent.and_then(|parent| parent.parse().ok()).unwrap_or(0);
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if state != Some("Z") {
            all.push((pid, parent, line));
        }
    }
    all
}

/// Control groups are named by the device and number of the folder of runs.
fn cgroups(runs: &Path) -> Vec<PathBuf> {
    let Ok(folder) = fs::metadata(runs) else {
        return Vec::new();
    };
    let prefix = format!("eai-{:x}-{:x}-", folder.dev(), folder.ino());
    let mut found = Vec::new();
    let mut left = vec![PathBuf::from(CGROUPS)];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                found.push(entry.path());
            }
            left.push(entry.path());
        }
    }
    found
}
