//! What a run of `tests/soak/idle` is asked.

use std::time::Duration;

use crate::backend::Backend;
use crate::soak;

/// How many cycles, of what, and where their choices come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The number of cycles, over all services.
    pub cycles: u32,
    /// The seed of all choices.
    pub seed: u64,
    /// How many services go through them at a time.
    pub services: u32,
    /// Their idle timeout.
    pub idle_timeout: Duration,
    /// What the jobs run with.
    pub backend: Backend,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            cycles: 1000,
            seed: 1,
            services: 8,
            idle_timeout: Duration::from_secs(3),
            backend: Backend::Process,
        }
    }
}

impl Options {
    /// Reads the arguments of the command line.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        soak::options(arguments, |name, value| {
            let number = || format!("{name} takes a whole number above 0, not {value}");
            let count = || {
                value
                    .parse()
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or_else(number)
            };
            match name {
                "--cycles" => options.cycles = count()?,
                "--seed" => options.seed = value.parse().map_err(|_| number())?,
                "--services" => options.services = count()?,
                "--idle-timeout" => options.idle_timeout = Duration::from_secs(count()?.into()),
                "--backend" => options.backend = value.parse()?,
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        Ok(options)
    }
}
