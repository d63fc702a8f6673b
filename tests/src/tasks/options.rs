//! What a run of `tests/soak/tasks` is asked.

use std::path::PathBuf;

use super::schedule::DECK;
use crate::backend::Backend;
use crate::soak::{self, number};

/// There is a fault for so many tasks.
const TASKS_PER_FAULT: usize = 60;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where faults and choices come from.
    pub seed: u64,
    /// How many tasks there are.
    pub tasks: usize,
    /// How many workers do them.
    pub workers: u32,
    /// What they run with.
    pub backend: Backend,
    /// How many faults there are, where that does not follow from the tasks.
    pub faults: Option<usize>,
    /// The guard that the platform is told to break.
    pub sabotage: Option<String>,
    /// Where the records go.
    pub folder: PathBuf,
}

// === impl Options ===

impl Options {
    /// A run with this seed and so many tasks.
    pub fn new(seed: u64, tasks: usize, backend: Backend, folder: PathBuf) -> Self {
        Self {
            seed,
            tasks,
            workers: 4,
            backend,
            faults: None,
            sabotage: None,
            folder,
        }
    }

    /// How many faults there are.
    pub(super) fn all_faults(&self) -> usize {
        let usual = (self.tasks / TASKS_PER_FAULT).max(DECK.len());
        self.faults.unwrap_or(usual)
    }

    /// The arguments that make the same run again.
    pub fn arguments(&self) -> String {
        let Self {
            seed,
            tasks,
            workers,
            backend,
            ..
        } = self;
        let backend = backend.name();
        let mut words =
            format!("--seed {seed} --tasks {tasks} --workers {workers} --backend {backend}");
        if let Some(faults) = self.faults {
            words = format!("{words} --faults {faults}");
        }
        if let Some(guard) = &self.sabotage {
            words = format!("{words} --sabotage {guard}");
        }
        words
    }

    /// Reads a command line without its first word; the error says what is wrong with it.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::new(1, 10_000, Backend::Process, PathBuf::from("target/tasks"));
        soak::options(arguments, |name, value| {
            match name {
                "--seed" => options.seed = number(name, &value)?,
                "--tasks" => options.tasks = number(name, &value)?,
                "--workers" => options.workers = number(name, &value)?,
                "--faults" => options.faults = Some(number(name, &value)?),
                "--backend" => options.backend = value.parse()?,
                "--sabotage" => options.sabotage = Some(value),
                "--folder" => options.folder = value.into(),
                _ => return soak::unknown(name),
            }
            Ok(())
        })?;
        if !(1..=1_000_000).contains(&options.tasks) {
            return Err(format!(
                "--tasks {} is not from 1 to 1000000",
                options.tasks
            ));
        }
        if !(1..=16).contains(&options.workers) {
            return Err(format!("--workers {} is not from 1 to 16", options.workers));
        }
        Ok(options)
    }
}
