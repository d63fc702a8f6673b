//! The verdict, in words.

use std::fmt;

use super::Counters;

/// How many violations are written out.
const SHOWN: usize = 20;

/// What the checker found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Commands answered with success that must have left events.
    pub acked: u64,
    /// Those of them whose events are all in the log, each once.
    pub found: u64,
    /// Events too many: stored twice, or not allowed by the state they met.
    pub duplicate: u64,
    /// Missing sequences and broken links of the hash chain.
    pub gaps: u64,
    /// Everything that must not be, in words; duplicates and gaps too.
    pub violations: Vec<String>,
    /// What happened in the run.
    pub counters: Counters,
    /// What should have happened for the run to show anything, and did not.
    pub missing: Vec<&'static str>,
}

// === impl Report ===

impl Report {
    /// Whether everything is as it must be.
    pub fn is_clean(&self) -> bool {
        self.acked == self.found
            && self.duplicate == 0
            && self.gaps == 0
            && self.violations.is_empty()
    }

    /// Clean, and it saw enough to mean something.
    pub fn passed(&self) -> bool {
        self.is_clean() && self.missing.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acked,
            found,
            duplicate,
            gaps,
            violations,
            counters,
            missing,
        } = self;
        writeln!(
            f,
            "acked={acked} found={found} duplicate={duplicate} gaps={gaps}"
        )?;
        write!(f, "{counters}")?;
        for violation in violations.iter().take(SHOWN) {
            write!(f, "\nviolation: {violation}")?;
        }
        if violations.len() > SHOWN {
            write!(f, "\nand {} violations more", violations.len() - SHOWN)?;
        }
        if !missing.is_empty() {
            write!(f, "\nvoid: the run never saw {}", missing.join(", "))?;
        }
        Ok(())
    }
}
