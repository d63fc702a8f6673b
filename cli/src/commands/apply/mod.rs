//! `eai apply`: services as a file says. It shows the difference first, and does nothing twice.

mod difference;
mod file;
mod terms;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use super::data::{Sources, push_with};
use super::service::SERVICE;
use crate::args::ApplyArgs;
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files;
use crate::output::Printer;

use difference::{Change, Difference};

/// The exit code of `--dry-run` where there is something to do.
const DIFFERS: u8 = 3;
/// How many commands each service may need.
const STEPS: u32 = 8;

/// What a revision of files comes from, gone with this.
struct Scratch(PathBuf);

pub(super) async fn run(
    args: ApplyArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let wanted = file::read(&args.file)?;
    let mut differences = Vec::new();
    for service in &wanted {
        differences.push(difference::of(service, client).await?);
    }
    let changes: usize = differences.iter().map(|one| one.changes.len()).sum();
    for line in differences.iter().flat_map(Difference::lines) {
        printer.line(&line)?;
    }
    if changes == 0 {
        printer.line("nothing to change")?;
        return Ok(ExitStatus::Success);
    }
    if args.dry_run {
        return Ok(ExitStatus::Gate(DIFFERS));
    }
    if !args.yes && !agreed(printer)? {
        return Ok(ExitStatus::Failure);
    }
    for (nth, difference) in (0..).zip(&differences) {
        carry_out(difference, nth * STEPS, client, printer).await?;
    }
    Ok(ExitStatus::Success)
}

/// Asks who sits there. Where nobody does, that has to be said on the command line.
fn agreed(printer: &mut Printer) -> Result<bool, Error> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Error::Usage(
            "nobody is there to agree: add `--yes`, or `--dry-run` to only see the difference"
                .to_owned(),
        ));
    }
    printer.flush()?;
    let mut answer = String::new();
    let asked = write!(std::io::stderr(), "apply this? [y/N] ")
        .and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.map_err(Error::Output)?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}

async fn carry_out(
    difference: &Difference,
    first: u32,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<(), Error> {
    let wanted = &difference.wanted;
    let (mut id, mut runtime) = (difference.id.clone(), difference.runtime.clone());
    if difference.changes.contains(&Change::Make) {
        let body = wanted.body(client.account());
        let row = client
            .row(Call::command(&[SERVICE.path], first).body(body))
            .await?;
        row.text("id").unwrap_or_default().clone_into(&mut id);
        row.text("runtime")
            .unwrap_or_default()
            .clone_into(&mut runtime);
    }
    if difference.changes.iter().any(Change::is_of_files) {
        let scratch = wanted.spec.as_deref().map(Scratch::of).transpose()?;
        let mut sources = Sources::new();
        sources.extend(wanted.files.clone().map(|path| (path, None)));
        if let Some(Scratch(path)) = &scratch {
            sources.push((path.clone(), Some("eai.yaml".to_owned())));
        }
        let gone = difference.gone();
        push_with(&runtime, &sources, &gone, first + 1, false, client, printer).await?;
    }
    if (difference.changes.iter()).any(|change| matches!(change, Change::Terms(..))) {
        let call = Call::patch(&[SERVICE.path, &id], first + 2);
        client.row(call.body(wanted.terms.body())).await?;
    }
    if let Some(verb) = difference.verb() {
        let call = Call::command(&[SERVICE.path, &id, verb], first + 3);
        client.row(call.body(json!({}))).await?;
    }
    printer.line(&format!("applied {}", difference.name))?;
    Ok(())
}

// === impl Scratch ===

impl Scratch {
    /// A file with this text, for as long as it is sent.
    fn of(text: &str) -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("eai-apply-{}.yaml", Uuid::new_v4()));
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|source| unreadable(&path, source))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in a folder for what may be lost.
        drop(std::fs::remove_file(&self.0));
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    files::Error::Read {
        path: path.to_owned(),
        source,
    }
    .into()
}
