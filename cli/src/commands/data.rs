//! `eai data`.

use serde_json::json;

use super::resource::Kind;
use crate::args::DataVerb;
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

const DATA: Kind = Kind {
    path: "data",
    columns: &["id", "name", "fullName", "account", "createdOn"],
};

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
        DataVerb::Get(args) => DATA.get(args, client, printer).await,
    }
}
