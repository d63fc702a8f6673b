//! What happens in this process beside the log, as numbers for those who watch it. It knows no metric's name.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Which policies there are to be stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyName {
    /// Leads requests to runs that answer, and ends what nobody has any more.
    Routes,
    /// Freezes, stops and runs again.
    Upkeep,
    /// Keeps the workers of queues.
    Queue,
    /// Keeps as many replicas as are asked for.
    Replicas,
    /// Replaces runs by newer ones.
    Rollout,
    /// Tells of dead letters.
    Letters,
    /// Declares executors lost.
    Leases,
}

/// Counts of one log in one process.
#[derive(Debug, Default)]
pub struct Meters {
    conflicts: AtomicU64,
    failures: AtomicU64,
    stuck: [AtomicUsize; PolicyName::ALL.len()],
}

// === impl PolicyName ===

impl PolicyName {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Routes,
        Self::Upkeep,
        Self::Queue,
        Self::Replicas,
        Self::Rollout,
        Self::Letters,
        Self::Leases,
    ];

    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Upkeep => "upkeep",
            Self::Queue => "queue",
            Self::Replicas => "replicas",
            Self::Rollout => "rollout",
            Self::Letters => "letters",
            Self::Leases => "leases",
        }
    }
}

// === impl Meters ===

impl Meters {
    /// How many appends were overtaken by another command, and decided again.
    pub fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// How often a policy could not do what it meant.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// For how many things a policy could not do what it meant when it tried last.
    pub fn stuck(&self, policy: PolicyName) -> usize {
        self.stuck[policy as usize].load(Ordering::Relaxed)
    }

    pub(super) fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_stuck(&self, policy: PolicyName, things: usize) {
        self.stuck[policy as usize].store(things, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_has_a_place_and_a_name_of_its_own() {
        let meters = Meters::default();
        for (number, policy) in (1..).zip(PolicyName::ALL) {
            meters.set_stuck(policy, number);
        }
        let found = PolicyName::ALL.map(|policy| meters.stuck(policy));
        assert_eq!(found, [1, 2, 3, 4, 5, 6, 7]);
        let mut names = PolicyName::ALL.map(PolicyName::as_str).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 7);
    }
}
