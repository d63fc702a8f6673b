//! Flags of services with a queue.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::nouns::reference;
use super::output::OutputArgs;

/// What the workers of a new service are.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Queue options")]
pub(crate) struct QueueArgs {
    /// Its front end is a queue: workers take tasks from it; off until it is started
    #[arg(long)]
    pub(crate) queue: bool,
    /// How many workers it has
    #[arg(
        long,
        value_name = "COUNT",
        requires = "queue",
        default_value_if("queue", "true", "1")
    )]
    pub(crate) workers: Option<u32>,
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    /// How long a worker may give no sign of life, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "queue")]
    pub(crate) heartbeat_timeout: Option<Duration>,
    /// How long workers may go on with their task when they are to end, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "queue")]
    pub(crate) stop_timeout: Option<Duration>,
    /// The command of its workers: a client of the AWS Lambda Runtime API
    #[arg(last = true, value_name = "COMMAND", requires = "queue", conflicts_with_all = ["handler", "agi_worker"])]
    pub(crate) command: Vec<String>,
}

/// The code of a worker.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Queue options")]
pub(crate) struct WorkerArgs {
    /// A Python function of its runtime that is called with each task
    #[arg(long, value_name = "MODULE.FUNCTION", conflicts_with = "agi_worker")]
    pub(crate) handler: Option<String>,
    /// A worker class of AGILAB of its runtime, with `works(plan, metadata)`
    #[arg(long, value_name = "MODULE.CLASS")]
    pub(crate) agi_worker: Option<String>,
}

/// A number of workers.
#[derive(Debug, clap::Args)]
pub(crate) struct ScaleArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// How many workers it has from now on
    #[arg(long, value_name = "COUNT")]
    pub(crate) workers: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Services to be stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// Their ids, full names or names
    #[arg(value_name = "REF", required = true, value_parser = reference)]
    pub(crate) refs: Vec<String>,
    /// Give the workers of a queue nothing more to do, and leave them there for the next start
    #[arg(long)]
    pub(crate) no_shutdown: bool,
    /// How long workers may go on with their task, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// One service that has a queue.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A question for the health of a service.
#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// End with 0 if the health is good enough, else with 2 (unhealthy workers), 3 (status), 4 (idle), 5 (restarts)
    /// or 1 (no health to be had)
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) sla: SlaArgs,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: HealthFormat,
    /// Write it to this file as well
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

/// A snapshot for operators.
#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) sla: SlaArgs,
    /// Write it to this file instead of printing it
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

/// What is good enough; a flag wins over the file, and the file over what is usual.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SlaArgs {
    /// A service with nothing to do and no workers is good enough
    #[arg(long, overrides_with = "no_allow_idle")]
    pub(crate) allow_idle: bool,
    /// It is not, whatever the file says
    #[arg(long, overrides_with = "allow_idle")]
    pub(crate) no_allow_idle: bool,
    /// A service that was stopped is good enough
    #[arg(long)]
    pub(crate) allow_stopped: bool,
    /// How many workers may be unhealthy
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) max_unhealthy: Option<i64>,
    /// Which share of the workers may have been replaced in the last ten minutes, 0 to 1
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub(crate) max_restart_rate: Option<f64>,
    /// Read the same from `[cluster.service_health]` of this file
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) settings: Option<PathBuf>,
}

/// How health is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HealthFormat {
    /// `agi.service.health.v1`
    Json,
    /// Gauges
    Prometheus,
}

/// How long a service keeps what nobody asks for.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Idle options")]
pub(crate) struct TermsArgs {
    /// Stop its job when nobody asks for it for so long, in seconds, and freeze it after half of that; a queue has no
    /// workers while it is empty for so long. The first request or task wakes them. 0 is as usual: 24 hours, unless
    /// the platform says otherwise; for a queue, never
    #[arg(long, visible_alias = "scale-to-zero", value_name = "SECONDS", value_parser = seconds,
          num_args = 0..=1, default_missing_value = "300")]
    pub(crate) idle_timeout: Option<Duration>,
    /// Keep so many jobs though nobody asks, 0 or 1: one that ends is started again
    #[arg(long, value_name = "COUNT")]
    pub(crate) min_ready: Option<u32>,
    /// Run so many jobs behind its URL while it is awake: at least MIN, and up to MAX as requests in flight ask for;
    /// COUNT is as good as COUNT:COUNT. 1 if unset
    #[arg(long, value_name = "MIN:MAX", value_parser = replicas)]
    pub(crate) replicas: Option<(u32, u32)>,
    /// How many requests at a time each of these jobs is meant for: more in flight bring more jobs. 80 if unset
    #[arg(long, value_name = "COUNT")]
    pub(crate) concurrency: Option<u32>,
}

/// `COUNT` or `MIN:MAX`.
pub(crate) fn replicas(text: &str) -> Result<(u32, u32), String> {
    let (min, max) = text.split_once(':').unwrap_or((text, text));
    let range = min.parse().ok().zip(max.parse().ok());
    range.ok_or_else(|| "it must be COUNT or MIN:MAX, such as 3 or 1:4".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it must be a number of seconds, such as 30 or 0.5".to_owned())
}
