//! `eai monitor`: who may watch the account with a NATS client.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::json;

use super::resource::Kind;
use crate::args::{CredentialsVerb, MonitorVerb, NewCredentials};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::files;
use crate::output::{Printer, Row};

const MONITOR: Kind = Kind {
    path: "monitor",
    columns: &["id", "name", "state", "consumer", "createdOn", "createdBy"],
};

pub(super) async fn run(
    verb: MonitorVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let MonitorVerb::Credentials(verb) = verb;
    match verb {
        CredentialsVerb::New(args) => new(args, client, printer).await,
        CredentialsVerb::Ls(args) => MONITOR.list(args, client, printer).await,
        CredentialsVerb::Revoke(args) => MONITOR.act("revoke", args, client, printer).await,
    }
}

async fn new(
    args: NewCredentials,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    // Opened first: credentials that cannot be kept are not made.
    let file = args.file.as_deref().map(create).transpose()?;
    let made = make(&args.name, client).await;
    let (row, text) = match (made, &args.file) {
        (Ok(made), _) => made,
        (Err(error), Some(path)) => {
            // It is empty, and the error says why.
            drop(fs::remove_file(path));
            return Err(error);
        }
        (Err(error), None) => return Err(error),
    };
    match (file, args.file) {
        (Some(mut file), Some(path)) => {
            let written = file.write_all(text.as_bytes());
            let written = written.and_then(|()| file.sync_all());
            written.map_err(|source| files::Error::Write { path, source })?;
            let told = without_secret(&row, client)?;
            MONITOR.print(&[told], args.output, printer)
        }
        _ if args.output.is_asked() => MONITOR.print(&[row], args.output, printer),
        _ => {
            printer.written(text.as_bytes())?;
            Ok(ExitStatus::Success)
        }
    }
}

/// A new file that nobody else may read.
fn create(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(path);
    Ok(created.map_err(|source| files::Error::Write {
        path: path.to_owned(),
        source,
    })?)
}

/// The credentials as a row, and as the text of a `.creds` file.
async fn make(name: &str, client: &mut Client) -> Result<(Row, String), Error> {
    let mut body = json!({ "name": name });
    if let Some(account) = client.account() {
        body["account"] = account.into();
    }
    let call = Call::command(&[MONITOR.path], 0).body(body);
    let row = client.row(call).await?;
    match row.text("credentials").map(str::to_owned) {
        Some(text) => Ok((row, text)),
        None => Err(unlike(client, "there are no `credentials` in it")),
    }
}

fn without_secret(row: &Row, client: &Client) -> Result<Row, Error> {
    let mut value = row.value().clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("credentials");
    }
    Row::parse(&value.to_string()).map_err(|error| unlike(client, &error.to_string()))
}

fn unlike(client: &Client, reason: &str) -> Error {
    Error::Answer {
        url: client.url().to_owned(),
        reason: reason.to_owned(),
    }
}
