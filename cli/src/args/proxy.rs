//! What `eai proxy` takes.

use std::ffi::OsString;

use super::nouns::reference;

/// Where the port leads.
#[derive(Debug, clap::Args)]
pub(crate) struct ProxyArgs {
    /// The service, by id, full name or name; if unset, the whole platform: `/service/NAME/…`, `/job/ID/…` and `/v1/…`
    #[arg(value_name = "SERVICE", value_parser = reference)]
    pub(crate) service: Option<String>,
    /// The port of 127.0.0.1 to listen on; 0 takes a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// Print where it is as an object
    #[arg(long)]
    pub(crate) json: bool,
    /// Run a command that finds the port in `EAI_PROXY_URL`, and end with it
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
