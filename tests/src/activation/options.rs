//! What a run of `tests/soak/activation` is asked.

use crate::backend::Backend;
use crate::soak::{self, number};

/// How many rounds, and where their choices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The number of rounds.
    pub rounds: u32,
    /// The seed of all choices.
    pub seed: u64,
    /// What the jobs run with.
    pub backend: Backend,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 200,
            seed: 1,
            backend: Backend::Process,
        }
    }
}

impl Options {
    /// Reads the arguments of the command line.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        soak::options(arguments, |name, value| {
            match name {
                "--rounds" => options.rounds = number(name, &value)?,
                "--seed" => options.seed = number(name, &value)?,
                "--backend" => options.backend = value.parse()?,
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        Ok(options)
    }
}
