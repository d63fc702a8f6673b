//! `eai server`: running it, and asking it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::args::{FormatArg, OutputArgs, ServerCommand, ServerVerb};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Format, Printer, Row, RowWriter, Selection, View};

/// A rebuild reads the whole log.
const REBUILD_PATIENCE: Duration = Duration::from_hours(1);
/// The columns of a rebuild.
const REBUILT: &[&str] = &["events", "sequence"];
/// The columns of what it has on the disk.
const USAGE: &[&str] = &["part", "bytes", "limitBytes", "freeableBytes", "advice"];
/// The same for people.
const READABLE: &[&str] = &["part", "size", "limit", "freeable", "advice"];

// === impl ServerCommand ===

impl ServerCommand {
    /// Whether it needs no running platform.
    pub(super) fn runs_offline(&self) -> bool {
        match &self.verb {
            None
            | Some(ServerVerb::Rebuild {
                data_dir: Some(_), ..
            }) => true,
            Some(
                ServerVerb::Info(_)
                | ServerVerb::Df(_)
                | ServerVerb::Rebuild { data_dir: None, .. },
            ) => false,
        }
    }
}

/// What the binary does itself: run the platform, or rebuild one that doesn't run.
pub(super) async fn offline(
    command: ServerCommand,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match command.verb {
        Some(ServerVerb::Rebuild {
            data_dir: Some(dir),
            ..
        }) => {
            crate::server::rebuild_offline(&dir)?;
            let text =
                "the views are set aside; the next start of `eai server` folds them from the log";
            printer.line(text)?;
            Ok(ExitStatus::Success)
        }
        _ => Ok(crate::server::run(command.serve, printer).await?),
    }
}

/// What the running platform is asked.
pub(super) async fn online(
    command: ServerCommand,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match command.verb {
        Some(ServerVerb::Rebuild { output, .. }) => {
            let call = Call::command(&["server", "rebuild"], 0).patience(REBUILD_PATIENCE);
            let row = client.row(call).await?;
            print_rebuilt(&row, output, printer)
        }
        Some(ServerVerb::Info(output)) => {
            let row = client.row(Call::get(&["server"])).await?;
            print_info(&row, output.view(FormatArg::Table), printer)
        }
        Some(ServerVerb::Df(output)) => {
            let row = client.row(Call::get(&["server", "usage"])).await?;
            print_usage(&row, output.view(FormatArg::Table), printer)
        }
        None => offline(command, printer).await,
    }
}

/// Two columns, `name` and `value`: the row is too wide to be one.
fn print_info(row: &Row, view: View, printer: &mut Printer) -> Result<ExitStatus, Error> {
    if view.format != Format::Table || view.selection != Selection::Default {
        RowWriter::new(view, &[]).write(printer, std::slice::from_ref(row))?;
        return Ok(ExitStatus::Success);
    }
    let mut rows = Vec::new();
    for name in row.keys() {
        let value = row.value().get(&name).cloned().unwrap_or(Value::Null);
        rows.push(row_of(&json!({"name": name, "value": value}))?);
    }
    RowWriter::new(view, &["name", "value"]).write(printer, &rows)?;
    Ok(ExitStatus::Success)
}

/// A line a part for people; as it was answered for whoever asks for anything else.
fn print_usage(row: &Row, view: View, printer: &mut Printer) -> Result<ExitStatus, Error> {
    let parts = row.value().get("parts").and_then(Value::as_array);
    let parts = parts.cloned().unwrap_or_default();
    let people = view.format == Format::Table && view.selection == Selection::Default;
    let mut rows = Vec::new();
    for part in parts {
        rows.push(row_of(&if people { readable(&part) } else { part })?);
    }
    let columns: &[&str] = if people { READABLE } else { USAGE };
    RowWriter::new(view, columns).write(printer, &rows)?;
    if people {
        let size = |name| size(row.value().get(name));
        printer.line(&format!(
            "{} in {}, {} free on its disk",
            size("bytes"),
            row.value()
                .get("dataDirectory")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            size("freeBytes"),
        ))?;
    }
    Ok(ExitStatus::Success)
}

fn readable(part: &Value) -> Value {
    json!({
        "part": part["part"],
        "size": size(part.get("bytes")),
        "limit": size(part.get("limitBytes")),
        "freeable": size(part.get("freeableBytes")),
        "advice": part["advice"],
    })
}

/// A size for people; a dash for one that is not known.
fn size(bytes: Option<&Value>) -> String {
    let bytes = bytes.and_then(Value::as_u64);
    bytes.map_or_else(
        || "-".to_owned(),
        |bytes| bytesize::ByteSize(bytes).to_string(),
    )
}

fn print_rebuilt(
    row: &Row,
    output: OutputArgs,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    RowWriter::new(output.view(FormatArg::Table), REBUILT)
        .write(printer, std::slice::from_ref(row))?;
    Ok(ExitStatus::Success)
}

fn row_of(value: &Value) -> Result<Row, Error> {
    Row::parse(&value.to_string()).map_err(|error| Error::Answer {
        url: "this".to_owned(),
        reason: error.to_string(),
    })
}
