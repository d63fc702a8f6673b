//! The verbs of data.

use std::path::PathBuf;

use clap::Subcommand;

use super::nouns::{GetArgs, ListArgs, RefsArgs, reference};
use super::output::OutputArgs;

/// Verbs of data.
#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    /// Make an empty data
    #[command(after_help = "Examples:
  eai data new weights
  eai data new weights --field id")]
    New {
        /// Its name: lower case letters, digits and `_`
        #[arg(value_parser = reference)]
        name: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List data
    #[command(after_help = "Examples:
  eai data ls
  eai data ls snow --format json")]
    Ls(ListArgs),
    /// Show data
    #[command(after_help = "Examples:
  eai data get weights
  eai data get weights --at 120 --field version")]
    Get(GetArgs),
    /// Add files to data, or replace them: a new version
    #[command(after_help = "Examples:
  eai data push weights ./model.bin
  eai data push weights ./models:v2 --verbose")]
    Push(PushArgs),
    /// Write the files of data to a directory
    #[command(after_help = "Examples:
  eai data pull weights ./here
  eai data pull weights@3 models:./here")]
    Pull(PullArgs),
    /// Show how large data is
    #[command(after_help = "Examples:
  eai data size weights")]
    Size(RefsArgs),
    /// List the versions of data
    #[command(after_help = "Examples:
  eai data versions weights")]
    Versions {
        /// Its id, full name or name
        #[arg(value_name = "REF", value_parser = reference)]
        reference: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show or remove what is in data
    #[command(
        subcommand,
        after_help = "Examples:
  eai data content ls weights
  eai data content ls weights@2 --path models
  eai data content tree weights
  eai data content rm weights 'models/*.tmp'"
    )]
    Content(ContentVerb),
}

/// Verbs of what is in data.
#[derive(Debug, Subcommand)]
pub(crate) enum ContentVerb {
    /// List a directory
    #[command(after_help = "Examples:
  eai data content ls weights
  eai data content ls weights@2 --path models")]
    Ls(ContentArgs),
    /// List everything below a directory
    #[command(after_help = "Examples:
  eai data content tree weights")]
    Tree(ContentArgs),
    /// Remove files: a new version without them
    #[command(after_help = "Examples:
  eai data content rm weights 'models/*.tmp'
  eai data content rm weights 'logs/**'")]
    Rm {
        /// Its id, full name or name
        #[arg(value_name = "REF", value_parser = reference)]
        reference: String,
        /// Paths, with `*` and `?` within a name, and `**` across directories
        #[arg(value_name = "GLOB", required = true)]
        globs: Vec<String>,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// What of data is listed.
#[derive(Debug, clap::Args)]
pub(crate) struct ContentArgs {
    /// Its id, full name or name, and perhaps a version: `NAME@3`
    #[arg(value_name = "REF[@VERSION]", value_parser = reference)]
    pub(crate) reference: String,
    /// The directory, the root if unset
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<String>,
    /// The version, the newest if unset
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) version: Option<u64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What is pushed.
#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// Its id, full name or name
    #[arg(value_name = "REF", value_parser = reference)]
    pub(crate) reference: String,
    /// A file, or a directory for everything in it; and where it is put: `./dir:models`, `./a.txt:b.txt`
    #[arg(value_name = "LOCAL[:REMOTE]", required = true)]
    pub(crate) sources: Vec<String>,
    /// Say what is done with each file
    #[arg(long, conflicts_with_all = ["field", "fields", "format", "no_header"])]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What is pulled.
#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// Its id, full name or name, and perhaps a version: `NAME@3`
    #[arg(value_name = "REF[@VERSION]", value_parser = reference)]
    pub(crate) reference: String,
    /// What to pull and where to: `models:./here`; a directory of yours for everything; or only what to pull
    #[arg(value_name = "REMOTE[:LOCAL]|DEST")]
    pub(crate) what: Option<String>,
    /// Where to, the current directory if unset
    #[arg(value_name = "DEST")]
    pub(crate) dest: Option<PathBuf>,
    /// Say what is done with each file
    #[arg(long)]
    pub(crate) verbose: bool,
}
