//! The verbs of monitors: who may watch the account with a NATS client.

use std::path::PathBuf;

use clap::Subcommand;

use super::nouns::{ListArgs, RefsArgs, reference};
use super::output::OutputArgs;

/// Verbs of monitors.
#[derive(Debug, Subcommand)]
pub(crate) enum MonitorVerb {
    /// What monitors come in with
    #[command(
        subcommand,
        after_help = "Examples:
  eai monitor credentials new sla -o sla.creds
  eai monitor credentials ls
  eai monitor credentials revoke sla"
    )]
    Credentials(CredentialsVerb),
}

/// Verbs of the credentials of monitors.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialsVerb {
    /// Make credentials, as a NATS client reads them: they are shown once
    #[command(after_help = "Examples:
  eai monitor credentials new sla > sla.creds
  eai monitor credentials new sla -o sla.creds")]
    New(NewCredentials),
    /// List credentials, without what they are
    #[command(after_help = "Examples:
  eai monitor credentials ls
  eai monitor credentials ls --fields name,state,consumer")]
    Ls(ListArgs),
    /// Cut off whoever uses credentials, at once and for ever
    #[command(after_help = "Examples:
  eai monitor credentials revoke sla")]
    Revoke(RefsArgs),
}

/// New credentials.
#[derive(Debug, clap::Args)]
pub(crate) struct NewCredentials {
    /// Their name: lower case letters, digits and `_`
    #[arg(value_parser = reference)]
    pub(crate) name: String,
    /// Write them to a new file that only you can read, and print what they are
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
