//! Finds where control groups for runs can be made, by making one.

use std::io;
use std::path::{Path, PathBuf};

use super::{Caps, Cgroup, Limits};

/// Below which control groups those of runs are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    V2(PathBuf),
    V1 {
        cpu: PathBuf,
        memory: PathBuf,
        pids: PathBuf,
    },
    /// Nowhere: rlimits hold runs.
    None,
}

/// A mounted hierarchy.
pub(super) struct Mount {
    pub(super) kind: String,
    /// Which part of the hierarchy is mounted.
    root: PathBuf,
    point: PathBuf,
    options: String,
}

// === impl Parent ===

impl Parent {
    /// The best there is for this process.
    pub(crate) fn find(space: &str) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        candidates(&mounts, &own)
            .into_iter()
            .find(|parent| parent.works(space))
            .unwrap_or(Self::None)
    }

    /// What will hold the run of this name. Names are one platform's: `space` tells platforms
    /// apart.
    pub(crate) fn child(&self, space: &str, name: &str) -> Limits {
        let name = format!("eai-{space}-{name}");
        match self {
            Self::V2(parent) => Limits::Cgroup(Cgroup::V2 {
                folder: parent.join(name),
            }),
            Self::V1 { cpu, memory, pids } => Limits::Cgroup(Cgroup::V1 {
                cpu: cpu.join(&name),
                memory: memory.join(&name),
                pids: pids.join(&name),
            }),
            Self::None => Limits::Rlimit,
        }
    }

    /// Says that a process will be put into a group soon. The kernel lets some 10 ms pass before it
    /// moves the first one, and none for those shortly after: this moves us to where we are.
    pub(crate) fn expect(&self) -> io::Result<()> {
        let own = match self {
            Self::V1 { pids, .. } => pids.clone(),
            Self::V2(_) => match own_v2() {
                Some(own) => own,
                None => return Ok(()),
            },
            Self::None => return Ok(()),
        };
        std::fs::write(own.join("cgroup.procs"), "0")
    }

    fn works(&self, space: &str) -> bool {
        const CAPS: Caps = Caps {
            cpu_milli: 1000,
            memory_bytes: 1 << 30,
            pids: 512,
        };
        if let Self::V2(parent) = self
            && enable(parent).is_err()
        {
            return false;
        }
        let probe = self.child(space, "probe");
        let made = probe.create(&CAPS);
        let removed = probe.remove();
        made.and(removed).is_ok()
    }
}

/// Gives the groups below `parent` their controllers. The kernel refuses where `parent` itself
/// holds processes, unless it is the root.
fn enable(parent: &Path) -> io::Result<()> {
    std::fs::write(parent.join("cgroup.subtree_control"), "+cpu +memory +pids")
}

/// The group of version 2 that this process is in.
fn own_v2() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut mounts = mounts.lines().filter_map(Mount::parse);
    mounts.find(|mount| mount.kind == "cgroup2")?.own_v2(&own)
}

fn candidates(mountinfo: &str, own: &str) -> Vec<Parent> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();
    let mut candidates = Vec::new();
    if let Some(mount) = mounts.iter().find(|mount| mount.kind == "cgroup2") {
        if let Some(folder) = mount.own_v2(own) {
            // A unit with `DelegateSubgroup=platform` has the platform's processes in that leaf.
            if folder.ends_with("platform") {
                candidates.extend(folder.parent().map(|unit| Parent::V2(unit.to_owned())));
            }
            candidates.push(Parent::V2(folder));
        }
        candidates.push(Parent::V2(mount.point.clone()));
    }
    let v1 = |controller| mounts.iter().find_map(|mount| mount.v1(controller, own));
    if let (Some(cpu), Some(memory), Some(pids)) = (v1("cpu"), v1("memory"), v1("pids")) {
        candidates.push(Parent::V1 { cpu, memory, pids });
    }
    candidates
}

fn has(list: &str, item: &str) -> bool {
    list.split(',').any(|other| other == item)
}

// === impl Mount ===

impl Mount {
    /// A line of `/proc/self/mountinfo`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        Some(Self {
            root: mount.next()?.into(),
            point: mount.next()?.into(),
            kind: system.next()?.to_owned(),
            options: system.nth(1)?.to_owned(),
        })
    }

    /// Where the group of version 2 is that `/proc/PID/cgroup` names.
    pub(super) fn own_v2(&self, cgroup: &str) -> Option<PathBuf> {
        let place = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
        self.place(place)
    }

    /// Where the group of a controller of version 1 is that `/proc/PID/cgroup` names, if this is its mount.
    pub(super) fn v1(&self, controller: &str, cgroup: &str) -> Option<PathBuf> {
        if self.kind != "cgroup" || !has(&self.options, controller) {
            return None;
        }
        let place = cgroup.lines().find_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (controllers, place) = line.split_once(':')?;
            has(controllers, controller).then_some(place)
        })?;
        self.place(place)
    }

    /// Where a place in the hierarchy is in the file system.
    fn place(&self, place: &str) -> Option<PathBuf> {
        let below = Path::new(place).strip_prefix(&self.root).ok()?;
        Some(self.point.join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_found_below_the_own_groups() {
        let mounts = "31 1 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 1 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 1 0:28 /box /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let own = "3:cpu,cpuacct:/a\n2:memory:/b\n1:pids:/box/c\n";
        let parent = Parent::V1 {
            cpu: "/sys/fs/cgroup/cpu,cpuacct/a".into(),
            memory: "/sys/fs/cgroup/memory/b".into(),
            pids: "/sys/fs/cgroup/pids/c".into(),
        };
        assert_eq!(candidates(mounts, own), [parent]);
    }

    #[test]
    fn version_2_is_found_first_and_a_delegated_unit_above_all() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let own = "0::/system.slice/eai.service/platform\n";
        let found = candidates(mounts, own);
        let unit = Parent::V2("/sys/fs/cgroup/system.slice/eai.service".into());
        assert_eq!(found.first(), Some(&unit));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn who_expects_a_run_stays_where_it_is() {
        let own = || std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let before = own();
        let found = Parent::find("expects");
        // Without the right to it nothing happens.
        found.expect().ok();
        Parent::V2("/sys/fs/cgroup".into()).expect().ok();
        assert_eq!(own(), before);
    }

    #[test]
    fn without_groups_there_is_nothing_to_try() {
        assert!(candidates("22 1 0:21 / /proc rw - proc proc rw\n", "0::/\n").is_empty());
    }
}
