//! What a run of `tests/soak/activation` is asked.

use crate::backend::Backend;

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
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            let number = || format!("{name} takes a whole number, not {value}");
            match name.as_str() {
                "--rounds" => options.rounds = value.parse().map_err(|_| number())?,
                "--seed" => options.seed = value.parse().map_err(|_| number())?,
                "--backend" => options.backend = value.parse()?,
                _ => return Err(format!("unknown argument: {name}")),
            }
        }
        Ok(options)
    }
}
