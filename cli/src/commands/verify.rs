//! `eai events verify`: whether the views are what the log says, or an export what its manifest says.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::{FormatArg, OutputArgs, VerifyArgs};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::export::Export;
use crate::output::{Format, Printer, Row, RowWriter, Selection};

/// The whole log is folded for it.
const PATIENCE: Duration = Duration::from_hours(1);
const COLUMNS: &[&str] = &["sequence", "aggregates", "unreadable", "differences"];
const OF_A_FILE: &[&str] = &["file", "events", "aggregates", "unreadable", "sha256"];

/// Asks the platform to compare its views with its log.
pub(super) async fn run(
    args: VerifyArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let call = Call::post(&["server", "verify"]).patience(PATIENCE);
    let row = client.row(call).await?;
    let list = |name: &str| row.value()[name].as_array().cloned().unwrap_or_default();
    let (differences, parked) = (list("differences"), list("parked"));
    let view = args.output.view(FormatArg::Table);
    if view.format != Format::Table || view.selection != Selection::Default {
        RowWriter::new(view, COLUMNS).write(printer, &[row])?;
    } else {
        let short = json!({
            "sequence": row.value()["sequence"], "aggregates": row.value()["aggregates"],
            "unreadable": parked.len(), "differences": differences.len(),
        });
        RowWriter::new(view, COLUMNS).write(printer, &[row_of(&short)?])?;
        for line in parked
            .iter()
            .map(told_of_parked)
            .chain(differences.iter().map(told))
        {
            printer.line(&line)?;
        }
    }
    Ok(if differences.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Failure
    })
}

fn told_of_parked(parked: &Value) -> String {
    let text = |name: &str| parked[name].as_str().unwrap_or_default().to_owned();
    format!(
        "event {}, {}, is not read: {}",
        parked["sequence"],
        text("type"),
        text("reason")
    )
}

fn told(difference: &Value) -> String {
    let text = |name: &str| difference[name].as_str().unwrap_or_default().to_owned();
    let side = match difference["inViews"].as_bool() {
        Some(true) => "only in the views",
        _ => "missing in the views",
    };
    format!("{}: {side}: {}", text("table"), text("row"))
}

/// Reads an export and compares it with its manifest. It needs no platform.
pub(super) fn of_file(
    path: &Path,
    output: OutputArgs,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let Export {
        manifest,
        unreadable,
        ..
    } = Export::verified(path)?;
    let row = json!({
        "file": path, "events": manifest.events, "aggregates": manifest.heads.len(),
        "unreadable": unreadable, "sha256": manifest.sha256,
    });
    RowWriter::new(output.view(FormatArg::Table), OF_A_FILE).write(printer, &[row_of(&row)?])?;
    Ok(ExitStatus::Success)
}

fn row_of(value: &Value) -> Result<Row, Error> {
    Row::parse(&value.to_string()).map_err(|error| Error::Export(error.to_string()))
}
