//! The verbs of a job.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::OutputArgs;
use super::nouns::{AtArgs, reference};
use super::queue::seconds;

/// Verbs of a job.
#[derive(Debug, Subcommand)]
pub(crate) enum JobVerb {
    /// List jobs: those that are alive or ended within a day, newest first
    #[command(after_help = "Examples:
  eai job ls --service hello
  eai job ls --state all -n 5 --field id
  eai job ls --state queued,running")]
    Ls(ListJobs),
    /// Show jobs
    #[command(after_help = "Examples:
  eai job get --last
  eai job get 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10 --field state")]
    Get {
        #[command(flatten)]
        jobs: JobRefs,
        #[command(flatten)]
        at: AtArgs,
    },
    /// Tell everything about jobs, as YAML
    #[command(after_help = "Examples:
  eai job info --last
  eai job info --last --job-spec")]
    Info {
        #[command(flatten)]
        jobs: JobRefs,
        /// Print only what it runs, as an `eai.yaml`
        #[arg(long)]
        job_spec: bool,
    },
    /// Print what a job wrote
    #[command(
        visible_alias = "logs",
        after_help = "Examples:
  eai job log --last
  eai job log -f 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10
  eai job log --last --run 0 --tail 20"
    )]
    Log(LogArgs),
    /// Ask jobs to end
    #[command(after_help = "Examples:
  eai job kill --last
  eai job kill 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Kill(JobRefs),
    /// Hold jobs still: they use no CPU until a request or `thaw` lets them go on
    #[command(after_help = "Examples:
  eai job freeze --last")]
    Freeze(JobRefs),
    /// Let frozen jobs go on
    #[command(after_help = "Examples:
  eai job thaw --last")]
    Thaw(JobRefs),
    /// Wait until a job is ready, runs or ended
    #[command(after_help = "Examples:
  eai job wait --last
  eai job wait 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10 --for ready")]
    Wait(WaitArgs),
}

/// Which jobs to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListJobs {
    /// Only what is in this account or organization
    #[arg(value_name = "ACCOUNT|ORGANIZATION", value_parser = reference)]
    pub(crate) place: Option<String>,
    /// Only the jobs of this service
    #[arg(long, value_name = "SERVICE", value_parser = reference)]
    pub(crate) service: Option<String>,
    /// `recent` (if unset), `alive`, `all`, or states: `queued,running`
    #[arg(long, value_name = "STATE,…")]
    pub(crate) state: Option<String>,
    /// Only the jobs whose name contains this
    #[arg(short = 'N', long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<u64>,
    /// Oldest first
    #[arg(short, long)]
    pub(crate) reverse: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// One or more jobs.
#[derive(Debug, clap::Args)]
pub(crate) struct JobRefs {
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "last", value_parser = reference)]
    pub(crate) refs: Vec<String>,
    /// The newest job
    #[arg(long, conflicts_with = "refs")]
    pub(crate) last: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What of a job's output to print.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Its id
    #[arg(value_name = "ID", required_unless_present = "last", value_parser = reference)]
    pub(crate) reference: Option<String>,
    /// The newest job
    #[arg(long, conflicts_with = "reference")]
    pub(crate) last: bool,
    /// Go on until the job ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last N lines
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) tail: Option<u64>,
    /// Only this run, counted from 0; the current or last one if unset
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) run: Option<u32>,
}

/// What to wait for.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitArgs {
    /// Its id
    #[arg(value_name = "ID", required_unless_present = "last", value_parser = reference)]
    pub(crate) reference: Option<String>,
    /// The newest job
    #[arg(long, conflicts_with = "reference")]
    pub(crate) last: bool,
    /// What to wait for
    #[arg(long = "for", value_enum, default_value = "ended")]
    pub(crate) until: Until,
    /// How long to wait at most, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How far a job has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    Running,
    Ready,
    Ended,
}
