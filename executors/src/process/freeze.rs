//! Holding every process of a sandbox still, and letting them go on.

use std::io;
use std::path::Path;

use rustix::process::{Pid, Signal};

use crate::limits::{Cgroup, Limits};
use crate::shim::Files;

/// How often the processes are looked through: one that is born meanwhile is met in the next round.
const ROUNDS: usize = 20;

/// Freezes or thaws the run in a folder. Nothing happens to one that is over.
pub(super) fn set_frozen(files: &Files, limits: Option<&Limits>, frozen: bool) -> io::Result<()> {
    if let Some(Limits::Cgroup(Cgroup::V2 { folder })) = limits {
        let switch = folder.join("cgroup.freeze");
        return match std::fs::write(switch, if frozen { "1" } else { "0" }) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let Some(first) = files.first()? else {
        return Ok(());
    };
    let Some(namespace) = first.namespace() else {
        return Ok(());
    };
    let signal = if frozen { Signal::STOP } else { Signal::CONT };
    for _ in 0..ROUNDS {
        let mut left = false;
        for (pid, stopped) in members(&namespace) {
            if stopped != frozen {
                left = true;
                // It may end in between.
                rustix::process::kill_process(pid, signal).ok();
            }
        }
        if !left {
            break;
        }
    }
    Ok(())
}

/// The processes of a PID namespace, and whether each is stopped.
fn members(namespace: &Path) -> Vec<(Pid, bool)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let folder = entry.path();
        let is_member = std::fs::read_link(folder.join("ns/pid")).is_ok_and(|at| at == namespace);
        let Some(pid) = Pid::from_raw(pid).filter(|_| is_member) else {
            continue;
        };
        let stat = std::fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        if !matches!(state, Some('Z' | 'X') | None) {
            found.push((pid, state == Some('T')));
        }
    }
    found
}
