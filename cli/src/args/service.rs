//! The verbs of a service.

use std::path::PathBuf;

use clap::Subcommand;

use super::access::ServiceRoleVerb;
use super::life::{
    RollbackArgs, ServiceEventsArgs, ServiceLogArgs, ServiceRefArgs, ServiceWaitArgs,
};
use super::nouns::{GetArgs, ListArgs, RefsArgs, reference};
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
    #[command(after_help = "Examples:
  eai service ls
  eai service ls --fields id,fullName,status
  eai service ls --at 2025-08-05T18:52:53Z")]
    Ls(ListArgs),
    /// Show services
    #[command(after_help = "Examples:
  eai service get hello
  eai service get hello --field accessUrl
  eai service get hello --at 120 --format json")]
    Get(GetArgs),
    /// Change what a service runs; what is not named stays
    #[command(after_help = "Examples:
  eai service update hello -i python:3.10 --cpu 1 --mem 1 -- python3 -u /service/server.py
  eai service update hello -e LEVEL=debug -d models:/models --port 9000
  eai service update hello --readiness-path /healthz
  eai service update hello --watch ./app")]
    Update(Box<UpdateService>),
    /// Switch services on
    #[command(after_help = "Examples:
  eai service start hello")]
    Start(RefsArgs),
    /// Switch services off
    #[command(after_help = "Examples:
  eai service stop hello
  eai service stop sums --timeout 60
  eai service stop sums --no-shutdown")]
    Stop(StopArgs),
    /// Change how many workers a queue has
    #[command(after_help = "Examples:
  eai service scale sums --workers 4")]
    Scale(ScaleArgs),
    /// Show how the workers of a queue are
    #[command(after_help = "Examples:
  eai service status sums
  eai service status sums --field status")]
    Status(StatusArgs),
    /// Show the health of a queue for monitors, and check it
    #[command(after_help = "Examples:
  eai service health work
  eai service health work --check --allow-idle
  eai service health work --check --settings app_settings.toml
  eai service health work --format prometheus")]
    Health(HealthArgs),
    /// Show or write a snapshot of the health for operators
    #[command(after_help = "Examples:
  eai service snapshot sums
  eai service snapshot sums --output sums.json")]
    Snapshot(SnapshotArgs),
    /// Run the same anew: the next run takes over before the old one ends
    #[command(after_help = "Examples:
  eai service restart hello")]
    Restart(RefsArgs),
    /// Wait until a service is ready, settled or stopped
    #[command(after_help = "Examples:
  eai service wait hello
  eai service wait hello --for settled
  eai service wait hello --for stopped")]
    Wait(ServiceWaitArgs),
    /// Print what the runs of a service write
    #[command(
        visible_alias = "log",
        after_help = "Examples:
  eai service logs hello
  eai service logs hello -f
  eai service logs hello --tail 20"
    )]
    Logs(ServiceLogArgs),
    /// Print the events of a service
    #[command(after_help = "Examples:
  eai service events hello
  eai service events hello -f
  eai service events hello -n 3 --fields time,type")]
    Events(ServiceEventsArgs),
    /// List what a service was to run, and when
    #[command(after_help = "Examples:
  eai service revisions hello")]
    Revisions(ServiceRefArgs),
    /// Go back to what a service ran before
    #[command(after_help = "Examples:
  eai service rollback hello
  eai service rollback hello --to 3")]
    Rollback(RollbackArgs),
    /// Take services away: the name is free, what happened stays in the events
    #[command(after_help = "Examples:
  eai service delete hello")]
    Delete(RefsArgs),
    /// What the jobs of a service may do, and who else
    #[command(
        subcommand,
        after_help = "Examples:
  eai service role get hello
  eai service role policy add hello 'data:write@snow.testacc.results'
  eai service role policy ls hello
  eai service role key new hello --field key"
    )]
    Role(ServiceRoleVerb),
    /// Put services away, until they are reactivated
    #[command(after_help = "Examples:
  eai service deactivate hello")]
    Deactivate(RefsArgs),
    /// Bring deactivated services back
    #[command(after_help = "Examples:
  eai service reactivate hello")]
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
