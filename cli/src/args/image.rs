//! The verbs of an image.

use std::path::PathBuf;

use clap::Subcommand;

use super::output::OutputArgs;

/// Verbs of an image.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageVerb {
    /// Bring an image to the platform
    #[command(after_help = "Examples:
  docker save web:1 -o web.tar && eai image import web.tar --tag web:1
  eai image import ./rootfs --tag team/base")]
    Import {
        /// A tar that `docker save` wrote, a tar of the files of a root, or a directory with such files
        #[arg(value_name = "FILE.tar|DIR")]
        source: PathBuf,
        /// What it is called, as in `service update -i`
        #[arg(short, long, value_name = "NAME[:TAG]")]
        tag: String,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// List the images of the platform's machine
    #[command(after_help = "Examples:
  eai image ls
  eai image ls --field name")]
    Ls(OutputArgs),
}
