//! `eai service update --watch`: what is saved in a directory runs a moment later.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use eai_core::data::{File, FilePath};
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{Receiver, channel};

use super::data::{Sources, local, push_with};
use crate::args::{FormatArg, OutputArgs};
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, RowWriter};

const COLUMNS: &[&str] = &["version", "files", "bytes", "createdOn", "createdBy"];
/// How long nothing has to change: whoever saves a file may not be done with it, or save another one.
const SETTLED: Duration = Duration::from_millis(200);

/// What was pushed last.
type Pushed = BTreeMap<FilePath, File>;

/// Pushes a directory, and again as it changes, for ever. What cannot be pushed is said, and the next change is
/// waited for.
pub(super) async fn run(
    folder: &Path,
    runtime: &str,
    output: OutputArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let (tell, mut changes) = channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading files is what a push does itself.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // One that is not looked at yet says as much as many.
            tell.try_send(()).ok();
        }
    })
    .map_err(|error| unwatched(folder, &error))?;
    watcher
        .watch(folder, RecursiveMode::Recursive)
        .map_err(|error| unwatched(folder, &error))?;
    let mut writer = RowWriter::new(output.view(FormatArg::Table), COLUMNS);
    let mut pushed = Pushed::new();
    // The first command of the invocation may have been the update itself.
    let mut nth = 1;
    loop {
        match push(folder, runtime, nth, &pushed, client, printer).await {
            Ok(None) => {}
            Ok(Some((row, files))) => {
                pushed = files;
                writer.write(printer, &[row])?;
                printer.flush()?;
            }
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            Err(error) => printer.error(&error),
        }
        nth += 1;
        settled(&mut changes).await;
    }
}

/// The version that came of it; nothing where nothing changed.
async fn push(
    folder: &Path,
    runtime: &str,
    nth: u32,
    before: &Pushed,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<Option<(crate::output::Row, Pushed)>, Error> {
    let sources: Sources = vec![(folder.to_owned(), None)];
    let files = local(&sources).await?;
    if files == *before {
        return Ok(None);
    }
    let gone = before.keys().filter(|path| !files.contains_key(*path));
    let gone: Vec<_> = gone.map(ToString::to_string).collect();
    let row = push_with(runtime, &sources, &gone, nth, false, client, printer).await?;
    Ok(Some((row, files)))
}

/// Waits for a change, and then until there is none for a moment.
async fn settled(changes: &mut Receiver<()>) {
    if changes.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
    while let Ok(Some(())) = tokio::time::timeout(SETTLED, changes.recv()).await {}
}

fn unwatched(folder: &Path, error: &notify::Error) -> Error {
    Error::Usage(format!("`{}` cannot be watched: {error}", folder.display()))
}
