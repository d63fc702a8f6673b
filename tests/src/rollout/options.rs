//! What a run of `tests/soak/rollout` is asked.

use crate::backend::Backend;
use crate::soak;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many updates there are.
    pub updates: u32,
    /// How many requests a second.
    pub rate: u32,
    /// What the jobs run with.
    pub backend: Backend,
    /// The guard that the platform is told to break.
    pub sabotage: Option<String>,
}

// === impl Options ===

impl Options {
    /// So many updates under so many requests a second.
    pub fn new(updates: u32, rate: u32, backend: Backend) -> Self {
        Self {
            updates,
            rate,
            backend,
            sabotage: None,
        }
    }

    /// Reads a command line without its first word; the error says what is wrong with it.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::new(10, 200, Backend::Process);
        soak::options(arguments, |name, value| {
            match name {
                "--updates" => options.updates = soak::number(name, &value)?,
                "--rate" => options.rate = soak::number(name, &value)?,
                "--backend" => options.backend = value.parse()?,
                "--sabotage" => options.sabotage = Some(value),
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        if options.updates == 0 || options.rate == 0 {
            return Err("--updates and --rate are 1 or more".to_owned());
        }
        Ok(options)
    }
}
