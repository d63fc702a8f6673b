//! `eai account`.

use super::resource::Kind;
use super::user::mine;
use crate::args::AccountVerb;
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

const ACCOUNT: Kind = Kind {
    path: "account",
    columns: &["id", "name", "organization", "parent"],
};

pub(super) async fn run(
    verb: AccountVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        // The default account says where things are, not which accounts there are.
        AccountVerb::Ls(args) => {
            ACCOUNT
                .list_in(args.place.as_deref(), args.at, args.output, client, printer)
                .await
        }
        AccountVerb::Get { one, at } => {
            let reference = match one
                .reference
                .or_else(|| client.account().map(str::to_owned))
            {
                Some(reference) => reference,
                None => mine("account", client).await?,
            };
            ACCOUNT
                .get_one(&reference, at, one.output, client, printer)
                .await
        }
    }
}
