//! Whether the processes of a run can do something, by what the kernel tells of them.

use std::path::Path;

use crate::backend::Still;

/// The most processes that are looked at.
const MANY: usize = 256;

/// Where control groups are mounted, of either version.
const UNIFIED: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
const FREEZER: &str = "/sys/fs/cgroup/freezer";

/// The command below a run's first process, and why it can do nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) pid: Option<i32>,
    pub(super) still: Option<Still>,
}

/// Looks at a run by its first process.
pub(super) fn look(first: i32) -> Looked {
    if is_frozen(first) {
        return Looked {
            pid: children(first).first().copied(),
            still: Some(Still::Frozen),
        };
    }
    let mut looked = Looked::default();
    let mut left = vec![first];
    let mut seen = 0;
    while let Some(pid) = left.pop() {
        seen += 1;
        if seen > MANY {
            break;
        }
        if is_stopped(pid) {
            looked.still = Some(Still::Stopped);
        }
        let children = children(pid);
        if pid == first {
            looked.pid = children.first().copied();
        }
        left.extend(children);
    }
    looked
}

fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten().take(MANY);
    let mut found = Vec::new();
    for thread in threads {
        let told = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(
            told.split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    found
}

fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in it, in parentheses, may hold anything.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state == Some('T')
}

fn is_frozen(pid: i32) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().any(|line| {
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(kinds), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let path = path.trim_start_matches('/');
        if number == "0" {
            return UNIFIED.iter().any(|root| {
                let events = Path::new(root).join(path).join("cgroup.events");
                let told = std::fs::read_to_string(events).unwrap_or_default();
                told.lines().any(|line| line == "frozen 1")
            });
        }
        let state = Path::new(FREEZER).join(path).join("freezer.state");
        kinds == "freezer"
            && std::fs::read_to_string(state).is_ok_and(|state| state.trim() == "FROZEN")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_stopped_below_another_one_is_seen() {
        let script = "sleep 1000 & echo $!; wait";
        let mut shell = std::process::Command::new("sh")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = std::io::BufReader::new(shell.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut said).unwrap();
        let sleeps: i32 = said.trim().parse().unwrap();
        let first = i32::try_from(shell.id()).unwrap();
        let sent = |signal| {
            let pid = rustix::process::Pid::from_raw(sleeps).unwrap();
            rustix::process::kill_process(pid, signal).unwrap();
        };
        let until = |still| {
            let begun = std::time::Instant::now();
            while look(first)
                != (Looked {
                    pid: Some(sleeps),
                    still,
                })
            {
                assert!(begun.elapsed().as_secs() < 60, "{:?}", look(first));
            }
        };
        until(None);
        sent(rustix::process::Signal::STOP);
        until(Some(Still::Stopped));
        sent(rustix::process::Signal::CONT);
        until(None);
        sent(rustix::process::Signal::KILL);
        shell.wait().unwrap();
        assert_eq!(look(first), Looked::default());
    }
}
