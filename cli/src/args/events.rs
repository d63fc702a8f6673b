//! What the verbs of events take: which ones, and what of them is told.

use std::path::PathBuf;

use clap::Subcommand;
use uuid::Uuid;

use super::nouns::reference;
use super::output::OutputArgs;

/// Verbs of events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsVerb {
    /// List events, oldest first
    #[command(after_help = "Examples:
  eai events ls --kind job --since 2025-08-05T18:52:53Z
  eai events ls --type service.created --format csv")]
    Ls(ListEvents),
    /// Print the last events
    #[command(after_help = "Examples:
  eai events tail -n 20
  eai events tail -f --type service.created")]
    Tail(TailArgs),
    /// Print an event as it is stored
    #[command(after_help = "Examples:
  eai events get 42
  eai events get 42 43 --field type")]
    Get {
        /// Its id or its sequence number
        #[arg(value_name = "ID|SEQUENCE", required = true, value_parser = reference)]
        refs: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Say why something is as it is, and what led to it
    #[command(after_help = "Examples:
  eai events explain hello
  eai events explain 9f2c1b64-7c0e-4a3e-8d53-1f0b8d6a5e10")]
    Explain(StoryArgs),
    /// Draw how something came to be: a service with its jobs, or anything by its id
    #[command(after_help = "Examples:
  eai events timeline hello
  eai events timeline hello -n 20 --since 2025-08-05T18:52:53Z")]
    Timeline(TimelineArgs),
    /// Write all events to a file, one a line as it is stored, and what is said of them to FILE.manifest.json
    #[command(after_help = "Examples:
  eai events export log.ndjson
  eai events verify --file log.ndjson")]
    Export(ExportArgs),
    /// Ask an export what a platform is asked, with no platform
    #[command(after_help = "Examples:
  eai events replay --from-file log.ndjson service ls
  eai events replay --from-file log.ndjson service get hello --at 4711
  eai events replay --from-file log.ndjson events explain hello")]
    Replay(ReplayArgs),
    /// Compare the views with a fold of all events, beside them; or an export with its manifest
    #[command(after_help = "Examples:
  eai events verify
  eai events verify --file log.ndjson")]
    Verify(VerifyArgs),
}

/// Where to write the events.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// A file that is not there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What an export is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// An export
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: PathBuf,
    /// A command as it follows `eai`, such as `service ls`
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,
}

/// What is verified.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// An export, which needs no platform; the platform's views if unset
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which events are meant; each that is given leaves fewer.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only of this kind of thing: `service`, `job`, `data`, `role`, `name`, `worker`, `executor`, `account`
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Only this type: `service`, `service.created` or `eai.service.created.v1`
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) of_type: Option<String>,
    /// Only events about this id, or the event with this id
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only what this one asked for: `platform`, or a user's id
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// Only what one command led to, by the `correlationid` of its events
    #[arg(long, value_name = "UUID")]
    pub(crate) correlation: Option<Uuid>,
    /// Only from this sequence number or time (RFC 3339) on
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) since: Option<String>,
    /// Only up to this sequence number or time, included
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) until: Option<String>,
}

/// Which events to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListEvents {
    /// At most N events; the last line says where to go on, if there are more
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub(crate) limit: u64,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Which events to print.
#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Go on with each new event, for ever
    #[arg(short, long, conflicts_with = "until")]
    pub(crate) follow: bool,
    /// Only the last N events; 10 if neither this nor `--since` is given
    #[arg(
        short = 'n',
        long = "lines",
        value_name = "N",
        allow_negative_numbers = true
    )]
    pub(crate) lines: Option<u64>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What is told of.
#[derive(Debug, clap::Args)]
pub(crate) struct StoryArgs {
    /// The id, full name or name of a service; or the id of anything, such as a job
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What is drawn.
#[derive(Debug, clap::Args)]
pub(crate) struct TimelineArgs {
    /// The id, full name or name of a service; or the id of anything, such as a job
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// Only the last N events
    #[arg(
        short = 'n',
        long = "lines",
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=1000)
    )]
    pub(crate) lines: u64,
    /// Only from this sequence number or time (RFC 3339) on
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) since: Option<String>,
    /// Only up to this sequence number or time, included
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) until: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
