//! `eai events export`: the whole log as a file, each event on a line as it is stored.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use eai_core::log::export::{Manifest, Tally, recorded};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::args::{ExportArgs, FormatArg};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::export::{beside, manifest_of};
use crate::files;
use crate::output::{Printer, Row, RowWriter};

const COLUMNS: &[&str] = &["file", "manifest", "events", "lastSequence", "sha256"];

/// Some of the log, whoever's events they are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Item>,
    /// Where the log ends now.
    last_sequence: u64,
}

#[derive(Debug, Deserialize)]
struct Item {
    sequence: u64,
    event: Box<RawValue>,
}

pub(super) async fn run(
    args: ExportArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let manifest_path = manifest_of(&args.file);
    for path in [&args.file, &manifest_path] {
        if path.exists() {
            return Err(Error::Export(format!(
                "{} is there already: name another file, or remove it",
                path.display()
            )));
        }
    }
    let unfinished = beside(&args.file, ".part");
    let written = write(&unfinished, client).await;
    let manifest = match written {
        Ok(manifest) => manifest,
        Err(error) => {
            // What broke off is of no use, and the error says why.
            drop(std::fs::remove_file(&unfinished));
            return Err(error);
        }
    };
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| Error::Export(error.to_string()))?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| files::Error::Write { path, source }
    };
    std::fs::write(&manifest_path, text + "\n").map_err(failed(&manifest_path))?;
    std::fs::rename(&unfinished, &args.file).map_err(failed(&args.file))?;
    let row = json!({
        "file": args.file, "manifest": manifest_path, "events": manifest.events,
        "lastSequence": manifest.last_sequence, "sha256": manifest.sha256,
    });
    let row = Row::parse(&row.to_string()).map_err(|error| Error::Export(error.to_string()))?;
    RowWriter::new(args.output.view(FormatArg::Table), COLUMNS).write(printer, &[row])?;
    Ok(ExitStatus::Success)
}

/// Writes what the log has now; what is stored meanwhile is not in it.
async fn write(path: &Path, client: &mut Client) -> Result<Manifest, Error> {
    let failed = |source| files::Error::Write {
        path: path.to_owned(),
        source,
    };
    let file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(failed)?;
    let mut out = BufWriter::new(file);
    let mut tally = Tally::default();
    let (mut next, mut until) = (1, None::<u64>);
    while until.is_none_or(|until| next <= until) {
        let mut call = Call::get(&["server", "event"]).query("since", next.to_string());
        if let Some(until) = until {
            call = call.query("until", until.to_string());
        }
        let page: Page = client.answer(call).await?;
        until = until.or(Some(page.last_sequence));
        if page.items.is_empty() && next <= page.last_sequence {
            return Err(Error::Export(format!(
                "event {next} cannot be read: the log is damaged, as `eai events verify` tells"
            )));
        }
        for item in page.items {
            let line = item.event.get().as_bytes();
            let event =
                recorded(item.sequence, line).and_then(|event| tally.take(&event).map(|()| event));
            let event = event.map_err(|error| Error::Export(error.to_string()))?;
            next = event.sequence + 1;
            out.write_all(line).map_err(failed)?;
            out.write_all(b"\n").map_err(failed)?;
        }
    }
    let file = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(tally.manifest())
}
