//! What a run may be told, and how that is written on a command line.

use std::path::PathBuf;
use std::time::Duration;

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where schedule and choices come from.
    pub seed: u64,
    /// How many faults.
    pub kills: u32,
    /// How long the faults are spread over; as long as they take if not said.
    pub seconds: Option<u64>,
    /// How many writers.
    pub writers: u32,
    /// The guard that the platform is told to break.
    pub sabotage: Option<String>,
    /// Where the records go.
    pub folder: PathBuf,
}

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A new run.
    Run(Options),
    /// To judge the records of an earlier one.
    Check(PathBuf),
}

// === impl Options ===

impl Options {
    /// A run with this seed and so many faults.
    pub fn new(seed: u64, kills: u32, folder: PathBuf) -> Self {
        Self {
            seed,
            kills,
            seconds: None,
            writers: 8,
            sabotage: None,
            folder,
        }
    }

    /// How long the faults are spread over, if that was said.
    pub fn span(&self) -> Option<Duration> {
        self.seconds.map(Duration::from_secs)
    }

    /// The arguments that make the same run again.
    pub fn arguments(&self) -> String {
        let Self {
            seed,
            kills,
            writers,
            ..
        } = self;
        let mut words = vec![format!("--seed {seed} --kills {kills}")];
        words.extend(self.seconds.map(|seconds| format!("--seconds {seconds}")));
        words.extend((*writers != 8).then(|| format!("--writers {writers}")));
        words.extend(
            self.sabotage
                .iter()
                .map(|guard| format!("--sabotage {guard}")),
        );
        words.join(" ")
    }
}

// === impl Asked ===

impl Asked {
    /// Reads a command line without its first word; the error says what is wrong with it.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Options::new(1, 30, PathBuf::from("target/chaos"));
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--seed" => options.seed = number(&name, &value()?)?,
                "--kills" => options.kills = number(&name, &value()?)?,
                "--seconds" => options.seconds = Some(number(&name, &value()?)?),
                "--writers" => options.writers = number(&name, &value()?)?,
                "--sabotage" => options.sabotage = Some(value()?),
                "--folder" => options.folder = value()?.into(),
                "--check" => return Ok(Self::Check(value()?.into())),
                other => return Err(format!("unknown argument: {other}")),
            }
        }
        match options.writers {
            1..=64 => Ok(Self::Run(options)),
            other => Err(format!("--writers {other} is not from 1 to 64")),
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{name} {text} is not a number"))
}
