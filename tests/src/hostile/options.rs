//! What a run of `tests/soak/hostile` is asked.

use crate::backend::Backend;
use crate::soak;

/// How many of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Clients that say nothing, or next to nothing.
    pub silent: usize,
    /// Guesses of tokens.
    pub guesses: usize,
    /// Where the guesses come from.
    pub seed: u64,
    /// What the job runs with.
    pub backend: Backend,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            silent: 2000,
            guesses: 100_000,
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
                "--silent" => options.silent = soak::number(name, &value)?,
                "--guesses" => options.guesses = soak::number(name, &value)?,
                "--seed" => options.seed = soak::number(name, &value)?,
                "--backend" => options.backend = value.parse()?,
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        Ok(options)
    }
}
