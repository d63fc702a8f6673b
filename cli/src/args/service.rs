//! The verbs of a service.

use std::path::PathBuf;

use clap::Subcommand;

use super::life::{
    RollbackArgs, ServiceEventsArgs, ServiceLogArgs, ServiceRefArgs, ServiceWaitArgs,
};
use super::nouns::{ListArgs, RefsArgs, reference};
use super::output::OutputArgs;
use super::queue::{
    HealthArgs, QueueArgs, ScaleArgs, SnapshotArgs, StatusArgs, StopArgs, TermsArgs, WorkerArgs,
};

/// Verbs of a service.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceVerb {
    /// Make a service
    #[command(after_help = "Examples:
  eai service new hello --upload ./app
  eai service new work --queue --workers 4 --handler app.handle --upload ./app
  eai service new flight_project --queue --agi-worker flight_worker.FlightWorker --upload ./flight
  eai service new work --queue --workers 2 -- /service/bootstrap")]
    New(Box<NewService>),
    /// List services
    Ls(ListArgs),
    /// Show services
    Get(RefsArgs),
    /// Change what a service runs; what is not named stays
    #[command(after_help = "Examples:
  eai service update hello -i python:3.10 --cpu 1 --mem 1 -- python3 -u /service/server.py
  eai service update hello -e LEVEL=debug -d models:/models --port 9000
  eai service update hello --readiness-path /healthz
  eai service update hello --watch ./app")]
    Update(Box<UpdateService>),
    /// Switch services on
    Start(RefsArgs),
    /// Switch services off
    Stop(StopArgs),
    /// Change how many workers a queue has
    Scale(ScaleArgs),
    /// Show how the workers of a queue are
    Status(StatusArgs),
    /// Show the health of a queue for monitors, and check it
    #[command(after_help = "Examples:
  eai service health work
  eai service health work --check --allow-idle
  eai service health work --check --settings app_settings.toml
  eai service health work --format prometheus")]
    Health(HealthArgs),
    /// Show or write a snapshot of the health for operators
    Snapshot(SnapshotArgs),
    /// Run the same anew: the next run takes over before the old one ends
    Restart(RefsArgs),
    /// Wait until a service is ready, settled or stopped
    #[command(after_help = "Examples:
  eai service wait hello
  eai service wait hello --for settled
  eai service wait hello --for stopped")]
    Wait(ServiceWaitArgs),
    /// Print what the runs of a service write
    #[command(visible_alias = "log")]
    Logs(ServiceLogArgs),
    /// Print the events of a service
    Events(ServiceEventsArgs),
    /// List what a service was to run, and when
    Revisions(ServiceRefArgs),
    /// Go back to what a service ran before
    #[command(after_help = "Examples:
  eai service rollback hello
  eai service rollback hello --to 3")]
    Rollback(RollbackArgs),
    /// Take services away: the name is free, what happened stays in the events
    Delete(RefsArgs),
    /// Put services away, until they are reactivated
    Deactivate(RefsArgs),
    /// Bring deactivated services back
    Reactivate(RefsArgs),
}

/// A new service.
#[derive(Debug, clap::Args)]
pub(crate) struct NewService {
    /// Its name: lower case letters, digits and `_`
    #[arg(value_parser = reference)]
    pub(crate) name: String,
    /// The data that it runs, `NAME_runtime` if unset
    #[arg(long, value_name = "DATA", value_parser = reference)]
    pub(crate) runtime: Option<String>,
    /// The role that it acts as, `NAME_role` if unset
    #[arg(long, value_name = "ROLE", value_parser = reference)]
    pub(crate) role: Option<String>,
    /// Push a file or the files of a directory to its runtime
    #[arg(long, value_name = "DIR")]
    pub(crate) upload: Option<PathBuf>,
    /// Install the Python packages of a `requirements.txt` for its jobs
    #[arg(long, value_name = "FILE")]
    pub(crate) requirements: Option<PathBuf>,
    /// Let its URL take requests without a token
    #[arg(long)]
    pub(crate) public: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    #[command(flatten)]
    pub(crate) queue: QueueArgs,
}

/// What a service runs from now on.
#[derive(Debug, clap::Args)]
pub(crate) struct UpdateService {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// The container image
    #[arg(short, long, visible_alias = "i", value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Processor cores, such as 0.5
    #[arg(long, value_name = "CORES", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) cpu: Option<f64>,
    /// Memory in GB
    #[arg(long, value_name = "GB", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) mem: Option<f64>,
    /// Graphics processors
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) gpu: Option<u32>,
    /// The memory that each graphics processor must have, in GB
    #[arg(long, value_name = "GB", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) gpu_mem: Option<f64>,
    /// It may be interrupted for other jobs
    #[arg(long, overrides_with = "non_preemptable")]
    pub(crate) preemptable: bool,
    /// It may not be interrupted for other jobs
    #[arg(long, overrides_with = "preemptable")]
    pub(crate) non_preemptable: bool,
    /// Set a variable of its environment
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Mount data
    #[arg(short, long, value_name = "DATA[@VERSION][/SUBPATH]:/PATH")]
    pub(crate) data: Vec<String>,
    /// The directory that it starts in
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// The port that it answers on
    #[arg(long, value_name = "PORT", allow_negative_numbers = true)]
    pub(crate) port: Option<u16>,
    /// What to ask for to know that it is ready; a connection to the port is enough if unset
    #[arg(long, value_name = "PATH")]
    pub(crate) readiness_path: Option<String>,
    /// Install the Python packages of a `requirements.txt`; an empty file takes them away
    #[arg(long, value_name = "FILE")]
    pub(crate) requirements: Option<PathBuf>,
    /// How long it may run, in seconds; 0 is for ever
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) max_run_time: Option<u64>,
    /// The command that it runs
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Push the files of a directory, and again as they change, for ever
    #[arg(long, value_name = "DIR")]
    pub(crate) watch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// A number that JSON has: it would write any other as `null`, which changes nothing.
pub(super) fn finite(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| "it must be a number, such as 0.5".to_owned())
}
