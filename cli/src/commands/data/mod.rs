//! `eai data`.

mod content;
mod pull;
mod push;

use serde_json::json;

pub(super) use push::{Sources, local, push_all, push_with};

use super::resource::{Kind, qualified};
use crate::args::{AtArgs, ContentVerb, DataVerb, FormatArg};
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, RowWriter};

const DATA: Kind = Kind {
    path: "data",
    columns: &["id", "name", "fullName", "account", "createdOn"],
};
const SIZE: Kind = Kind {
    path: "data",
    columns: &["fullName", "version", "files", "bytes"],
};
const VERSIONS: &[&str] = &["version", "files", "bytes", "createdOn", "createdBy"];

/// What a user means by `NAME[@VERSION]`.
struct Versioned {
    reference: String,
    version: Option<u64>,
}

pub(super) async fn run(
    verb: DataVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        DataVerb::New { name, output } => {
            let body = match client.account() {
                Some(account) => json!({"name": name, "account": account}),
                None => json!({"name": name}),
            };
            DATA.create(body, output, client, printer).await
        }
        DataVerb::Ls(args) => DATA.list(args, client, printer).await,
        DataVerb::Get(args) => DATA.get(args.refs, args.at, client, printer).await,
        DataVerb::Push(args) => push::push(args, client, printer).await,
        DataVerb::Pull(args) => pull::pull(args, client, printer).await,
        DataVerb::Size(args) => SIZE.get(args, AtArgs::default(), client, printer).await,
        DataVerb::Versions { reference, output } => {
            let reference = qualified(&reference, client.account());
            let rows = client
                .rows(&["data", &reference, "version"], &[], None)
                .await?;
            RowWriter::new(output.view(FormatArg::Table), VERSIONS).write(printer, &rows)?;
            Ok(ExitStatus::Success)
        }
        DataVerb::Content(ContentVerb::Ls(args)) => {
            content::list(args, false, client, printer).await
        }
        DataVerb::Content(ContentVerb::Tree(args)) => {
            content::list(args, true, client, printer).await
        }
        DataVerb::Content(ContentVerb::Rm {
            reference,
            globs,
            output,
        }) => content::remove(&reference, &globs, output, client, printer).await,
    }
}

// === impl Versioned ===

impl Versioned {
    fn read(text: &str, client: &Client) -> Result<Self, Error> {
        let (name, version) = match text.split_once('@') {
            None | Some((_, "latest")) => (text.split('@').next().unwrap_or(text), None),
            Some((name, version)) => {
                let number = version.parse().map_err(|_| {
                    Error::Usage(format!(
                        "`{version}` is not a version of data: versions are numbers, and `latest`"
                    ))
                })?;
                (name, Some(number))
            }
        };
        Ok(Self {
            reference: qualified(name, client.account()),
            version,
        })
    }
}
