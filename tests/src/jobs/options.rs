//! What a run of `tests/soak/jobs` is asked.

use std::path::PathBuf;

use crate::backend::Backend;
use crate::soak::{self, number};

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where faults and choices come from.
    pub seed: u64,
    /// How many jobs there are at least.
    pub jobs: u32,
    /// What they run with.
    pub backend: Backend,
    /// The guard that the platform is told to break.
    pub sabotage: Option<String>,
    /// Where the records go.
    pub folder: PathBuf,
}

// === impl Options ===

impl Options {
    /// A run with this seed and so many jobs.
    pub fn new(seed: u64, jobs: u32, backend: Backend, folder: PathBuf) -> Self {
        Self {
            seed,
            jobs,
            backend,
            sabotage: None,
            folder,
        }
    }

    /// The arguments that make the same run again.
    pub fn arguments(&self) -> String {
        let Self {
            seed,
            jobs,
            backend,
            ..
        } = self;
        let mut words = format!("--seed {seed} --jobs {jobs} --backend {}", backend.name());
        if let Some(guard) = &self.sabotage {
            words = format!("{words} --sabotage {guard}");
        }
        words
    }

    /// Reads a command line without its first word; the error says what is wrong with it.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::new(1, 50, Backend::Process, PathBuf::from("target/jobs"));
        soak::options(arguments, |name, value| {
            match name {
                "--seed" => options.seed = number(name, &value)?,
                "--jobs" => options.jobs = number(name, &value)?,
                "--backend" => options.backend = value.parse()?,
                "--sabotage" => options.sabotage = Some(value),
                "--folder" => options.folder = value.into(),
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        match options.jobs {
            1..=1000 => Ok(options),
            other => Err(format!("--jobs {other} is not from 1 to 1000")),
        }
    }
}
