//! What a run of `tests/soak/life` is asked.

use crate::backend::Backend;
use crate::soak;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed of all choices.
    pub seed: u64,
    /// How many things are done to the services and the platform.
    pub steps: u32,
    /// How many services there are.
    pub services: usize,
    /// What the jobs run with.
    pub backend: Backend,
    /// The guard that the platform is told to break.
    pub sabotage: Option<String>,
}

// === impl Options ===

impl Options {
    /// So many steps from a seed.
    pub fn new(seed: u64, steps: u32, backend: Backend) -> Self {
        Self {
            seed,
            steps,
            services: 3,
            backend,
            sabotage: None,
        }
    }

    /// Reads a command line without its first word; the error says what is wrong with it.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::new(1, 200, Backend::Process);
        soak::options(arguments, |name, value| {
            match name {
                "--seed" => options.seed = soak::number(name, &value)?,
                "--steps" => options.steps = soak::number(name, &value)?,
                "--services" => options.services = soak::number(name, &value)?,
                "--backend" => options.backend = value.parse()?,
                "--sabotage" => options.sabotage = Some(value),
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        if options.steps == 0 || options.services == 0 {
            return Err("--steps and --services are 1 or more".to_owned());
        }
        Ok(options)
    }
}
