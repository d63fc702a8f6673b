//! `eai data content`: what is in data.

use serde_json::json;

use super::{VERSIONS, Versioned};
use crate::args::{ContentArgs, FormatArg, OutputArgs};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, RowWriter};

const LIST: &[&str] = &["name", "status"];
const TREE: &[&str] = &["name", "status", "size"];

/// Lists a directory, or everything below it.
pub(super) async fn list(
    args: ContentArgs,
    recursive: bool,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let Versioned { reference, version } = Versioned::read(&args.reference, client)?;
    let version = args.version.or(version).map(|version| version.to_string());
    let mut query = Vec::new();
    if let Some(version) = &version {
        query.push(("version", version.as_str()));
    }
    if let Some(path) = &args.path {
        query.push(("path", path.trim_start_matches("./").trim_matches('/')));
    }
    if recursive {
        query.push(("recursive", "true"));
    }
    let rows = client
        .rows(&["data", &reference, "content"], &query, None)
        .await?;
    let columns = if recursive { TREE } else { LIST };
    RowWriter::new(args.output.view(FormatArg::Table), columns).write(printer, &rows)?;
    Ok(ExitStatus::Success)
}

/// Removes what the patterns match.
pub(super) async fn remove(
    reference: &str,
    globs: &[String],
    output: OutputArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let Versioned { reference, version } = Versioned::read(reference, client)?;
    super::push::check_newest(version)?;
    let call = Call::command(&["data", &reference, "version"], 0).body(json!({"remove": globs}));
    let row = client.row(call).await?;
    RowWriter::new(output.view(FormatArg::Table), VERSIONS).write(printer, &[row])?;
    Ok(ExitStatus::Success)
}
