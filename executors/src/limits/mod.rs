//! How a run is held to its share of the machine: cgroups where they can be made, else rlimits.
//!
//! A run's cgroup lies below the platform's own, so a limit on the platform binds its runs too.

mod cgroup;
mod find;
mod freezer;
mod rlimit;

pub(crate) use cgroup::Cgroup;
pub(crate) use find::Parent;
pub(crate) use freezer::Freezer;
pub(crate) use rlimit::no_core;

use serde::{Deserialize, Serialize};

/// What would hold runs on this machine: `cgroup-v2`, `cgroup-v1` or `rlimit`. Found out by making one and removing it.
pub fn here() -> &'static str {
    let space = format!("look{}", std::process::id());
    Parent::find(&space).child(&space, "look").name()
}

/// What a run may use at most; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caps {
    /// Thousandths of a core.
    pub(crate) cpu_milli: u64,
    pub(crate) memory_bytes: u64,
    /// Processes and threads.
    pub(crate) pids: u64,
}

/// What holds one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Limits {
    Cgroup(Cgroup),
    Rlimit,
}

// === impl Limits ===

impl Limits {
    /// Makes what holds the run, before it has a process.
    pub(crate) fn create(&self, caps: &Caps) -> std::io::Result<()> {
        match self {
            Self::Cgroup(cgroup) => cgroup.create(caps),
            Self::Rlimit => Ok(()),
        }
    }

    /// Holds this process, which must not have started others yet.
    pub(crate) fn hold(&self, pid: rustix::process::Pid) -> std::io::Result<()> {
        match self {
            Self::Cgroup(cgroup) => cgroup.enter(pid),
            Self::Rlimit => Ok(()),
        }
    }

    /// The command as it is run in its sandbox.
    pub(crate) fn command(&self, command: &[String], caps: &Caps) -> Vec<String> {
        match self {
            Self::Cgroup(_) => command.to_vec(),
            Self::Rlimit => rlimit::limited(command, caps),
        }
    }

    /// Whether the kernel ended a process of the run for its memory.
    pub(crate) fn oom(&self) -> bool {
        match self {
            Self::Cgroup(cgroup) => cgroup.ooms() > 0,
            Self::Rlimit => false,
        }
    }

    /// Ends what is left of the run, and removes what held it. Repeating it does nothing.
    pub(crate) fn remove(&self) -> std::io::Result<()> {
        match self {
            Self::Cgroup(cgroup) => cgroup.remove(),
            Self::Rlimit => Ok(()),
        }
    }

    /// For people and rows.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Cgroup(Cgroup::V2 { .. }) => "cgroup-v2",
            Self::Cgroup(Cgroup::V1 { .. }) => "cgroup-v1",
            Self::Rlimit => "rlimit",
        }
    }
}
