//! What the verbs of a service's life take: waiting, following, going back.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::nouns::reference;
use super::output::OutputArgs;
use super::queue::seconds;

/// What a service is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServiceUntil {
    /// Its newest revision serves
    Ready,
    /// Its newest revision serves, and nothing of those before is left
    Settled,
    /// It is off, and has no job any more
    Stopped,
}

/// What to wait for.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceWaitArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// What to wait for
    #[arg(long = "for", value_enum, value_name = "WHAT", default_value_t = ServiceUntil::Ready)]
    pub(crate) until: ServiceUntil,
    /// How long to wait at most, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Whose output to print.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceLogArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// Go on with each run that comes, for ever
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last N lines of the newest run
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<u64>,
}

/// Which events of a service to print.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceEventsArgs {
    /// Its id, full name or name; of one that was deleted, its id
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// Go on with each new event, for ever
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last N events; 10 if neither this nor `--since` is given
    #[arg(short = 'n', long = "lines", value_name = "N")]
    pub(crate) lines: Option<u64>,
    /// Only from this sequence number or time (RFC 3339) on
    #[arg(long, value_name = "SEQUENCE|TIME")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// One service, and how it is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceRefArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What to make true.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// The file that says which services there are to be
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Do it without asking
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only show the difference; the exit code is 3 if there is one
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

/// Where to go back to.
#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// The revision to go back to; the one before the newest one if unset
    #[arg(long, value_name = "REVISION")]
    pub(crate) to: Option<u32>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
